/**
 * Schemathesis, the fuzzer of OpenAPI documents: its version and everything under it pinned by hash, installed once by pip into an environment of its
 * own under `.services/` (not in git). Processes that come at the same time each make one; the first to finish puts its own in place.
 */
import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensureProgram } from './ensure-program.ts';

const run = promisify(execFile);
const requirements = fileURLToPath(new URL('./schemathesis/requirements.txt', import.meta.url));
const cache = fileURLToPath(new URL('../../.services/', import.meta.url));
const instead = 'Install Python 3.10 or newer with its venv module.';

/** How to start it: a Python and the arguments before its own. */
export async function schemathesis(): Promise<{ python: string; args: readonly string[] }> {
  await ensureProgram({ name: 'python3', versionFlag: '--version', aptPackage: 'python3-venv', instead });
  await ensureProgram({
    name: 'python3',
    versionFlag: '-cimport ensurepip, venv',
    aptPackage: 'python3-venv',
    instead,
  });
  const { stdout: version } = await run('python3', ['--version'], { timeout: 30_000 });
  const inputs = createHash('sha256').update(await readFile(requirements));
  const folder = join(cache, `schemathesis-${inputs.update(version).digest('hex').slice(0, 16)}`);
  if (!existsSync(folder)) await install(folder);
  return { python: join(folder, 'bin', 'python'), args: ['-m', 'schemathesis.cli'] };
}

/** Moved when whole: an environment's Python finds its packages wherever it lies; only its scripts would not. */
async function install(folder: string): Promise<void> {
  process.stderr.write(`Installing what ${requirements} names into .services/ (once)\n`);
  const own = join(cache, `installing-${randomUUID()}`);
  await mkdir(cache, { recursive: true });
  try {
    await run('python3', ['-m', 'venv', own], { timeout: 120_000 });
    const args = [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--require-hashes',
      '-r',
      requirements,
    ];
    await run(join(own, 'bin', 'python'), args, { timeout: 600_000 });
    await rename(own, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
