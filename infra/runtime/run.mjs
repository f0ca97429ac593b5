/**
 * The door through which every npm script enters. It makes sure that what the lockfile asks for is installed and that a Node of the pinned
 * major is at hand (the machine's own when it is new enough, else a private copy under .runtime), then runs the given script or tool with it.
 * Plain JavaScript for Node 20 without dependencies, because it runs before anything is installed.
 *
 * Usage: node infra/runtime/run.mjs SCRIPT [ARG…] · node infra/runtime/run.mjs --bin TOOL [ARG…]
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const pinnedNode = '24.21.0';
const runtimeDir = join(root, '.runtime');

/** Runs a command to its end; answers its exit code (128 + n for a signal is left to the caller's shell). */
function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    const forward = (signal) => child.kill(signal);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve(signal ? 1 : (code ?? 1)));
  });
}

async function npm(why, args) {
  const startedAt = Date.now();
  process.stderr.write(`inkwell: ${why} …\n`);
  const cli = process.env.npm_execpath;
  const code = cli
    ? await run(process.execPath, [cli, ...args], { stdio: ['ignore', 2, 2] })
    : await run('npm', args, { stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (code !== 0) {
    process.stderr.write(
      `inkwell: ${why} failed (npm ${args.join(' ')} exited ${code}). See npm's message above; is the registry reachable?\n`,
    );
    process.exit(1);
  }
  process.stderr.write(`inkwell: ${why}: done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

/** The stamp is written last, so an interrupted install is repeated. */
async function installDependencies() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const stamp = join(root, 'node_modules', '.inkwell-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  await npm('installing dependencies', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

/** Path of a Node of at least the pinned major. */
async function ensureNode() {
  if (Number(process.versions.node.split('.')[0]) >= Number(pinnedNode.split('.')[0])) return process.execPath;
  const byPlatform = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const candidates = [
    join(runtimeDir, 'node_modules', byPlatform, 'bin', process.platform === 'win32' ? 'node.exe' : 'node'),
    join(runtimeDir, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node'),
  ];
  const stamp = join(runtimeDir, `node-${pinnedNode}`);
  const found = () => candidates.find((path) => existsSync(path));
  if (existsSync(stamp) && found()) return found();
  rmSync(runtimeDir, { recursive: true, force: true });
  mkdirSync(runtimeDir, { recursive: true });
  writeFileSync(join(runtimeDir, 'package.json'), '{"private":true}\n');
  const prebuilt = ['linux-x64', 'linux-arm64', 'win32-x64'].includes(`${process.platform}-${process.arch}`);
  const flags = ['--no-save', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', runtimeDir];
  // Elsewhere the `node` package picks the binary in its install script, which this project otherwise forbids.
  const what = prebuilt ? [`${byPlatform}@${pinnedNode}`] : [`node@${pinnedNode}`, '--ignore-scripts=false'];
  await npm(`installing Node ${pinnedNode} under .runtime (this machine has ${process.versions.node})`, [
    'install',
    ...flags,
    ...what,
  ]);
  const node = found();
  if (!node) {
    process.stderr.write(
      `inkwell: no Node ${pinnedNode} for ${process.platform}-${process.arch}. Install Node 24 or newer and try again.\n`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, '');
  return node;
}

const argv = process.argv.slice(2);
const [node] = await Promise.all([ensureNode(), installDependencies()]);
const bin = argv[0] === '--bin' ? argv[1] : undefined;
const path = [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
// A tool's shim starts with `#!/usr/bin/env node`, so the PATH decides which Node runs it.
const [command, args] = bin ? [join(root, 'node_modules', '.bin', bin), argv.slice(2)] : [node, argv];
process.exitCode = await run(command, args, {
  env: { ...process.env, PATH: path, DO_NOT_TRACK: '1' },
});
