/**
 * Sees to it that a program is on this machine. Where it is missing and we may install it (Debian or Ubuntu, as root) apt-get does; else the
 * error says what to do. Nothing is skipped quietly.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface WantedProgram {
  name: string;
  /** Asks the program for its version. */
  versionFlag: string;
  /** What it exits with then, if not 0. */
  versionExit?: number;
  /** What Debian calls the package that has it. */
  aptPackage: string;
  /** What a person can do instead, as a sentence. */
  instead: string;
}

export async function ensureProgram({
  name,
  versionFlag,
  versionExit = 0,
  aptPackage,
  instead,
}: WantedProgram): Promise<void> {
  const isThere = () =>
    run(name, [versionFlag], { timeout: 30_000 }).then(
      () => versionExit === 0,
      (error: { code?: unknown }) => error.code === versionExit,
    );
  if (await isThere()) return;
  if (process.getuid?.() !== 0) throw new Error(`There is no ${name} on this machine. ${instead}`);
  process.stderr.write(`${name} is missing: installing ${aptPackage} with apt-get\n`);
  const install = () => aptGet('install', '--no-install-recommends', aptPackage);
  try {
    await install().catch(() => aptGet('update').then(install));
  } catch (error) {
    throw new Error(`${name} is missing and apt-get could not install ${aptPackage}. ${instead}`, { cause: error });
  }
  if (!(await isThere()))
    throw new Error(`apt-get installed ${aptPackage}, but ${name} still does not run. ${instead}`);
}

/** Another test may be installing at the same time, so apt waits for its lock. RUNLEVEL=1 keeps a package from starting a daemon. */
async function aptGet(...args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  await run('apt-get', ['-qq', '-y', '-o', 'DPkg::Lock::Timeout=300', ...args], { env, timeout: 600_000 });
}
