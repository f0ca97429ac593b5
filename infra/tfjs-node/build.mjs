/**
 * `npm run build:tfjs-node`: builds TensorFlow.js's native backend into `.inkwell-tfjs-node/` for INKWELL_BACKEND=tfjs-node. It is no dependency of ours, because its
 * install script fetches libtensorflow from a host that many machines cannot reach: here the same library comes from PyPI's wheel of TensorFlow, and npm's own
 * node-gyp compiles the binding against it. Needs Linux on x86-64, Python 3 with pip, unzip, make and a C++ compiler; about 1.3 GB of disk.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../.inkwell-tfjs-node/', import.meta.url));
const version = '4.22.0';
/** The release of TensorFlow that this version's binding was written for, and its wheel's checksum. */
const wheel = 'tensorflow-cpu==2.15.1';
const wheelHash = '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26';
const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
const packageDir = join(root, 'node_modules/@tensorflow/tfjs-node');
const deps = join(packageDir, 'deps');

function fail(problem) {
  process.stderr.write(`build:tfjs-node: ${problem}\n`);
  process.exit(1);
}

function step(text, command, args, options = {}) {
  process.stderr.write(`build:tfjs-node: ${text}\n`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (error) fail(`${command} cannot be started (${error.message})`);
  if (status !== 0) fail(`${text}: ${command} exited ${status}; its message is above`);
}

function demand() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    fail(`there is no wheel of TensorFlow ${wheel} for ${process.platform} ${process.arch}, only for linux x64`);
  for (const [tool, flag] of [
    ['python3', '--version'],
    ['unzip', '-v'],
    ['make', '--version'],
    ['c++', '--version'],
  ]) {
    if (spawnSync(tool, [flag], { stdio: 'ignore' }).status !== 0) fail(`needs ${tool}, which is not on this machine`);
  }
}

/** npm's cli.js, whichever npm started us. */
function npmCli() {
  if (process.env.npm_execpath?.endsWith('npm-cli.js')) return realpathSync(process.env.npm_execpath);
  return realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim());
}

/** Where node_api.h is: the running Node's own folder, or the system's. The interface is the same in all versions. */
function headers() {
  const own = join(dirname(process.execPath), '..');
  for (const prefix of [own, '/usr']) if (existsSync(join(prefix, 'include/node/node_api.h'))) return prefix;
  return fail('finds no headers of Node: install libnode-dev, or a Node that comes with them');
}

function unpackLibrary() {
  const requirements = join(root, 'requirements.txt');
  writeFileSync(requirements, `${wheel} --hash=sha256:${wheelHash}\n`);
  const target = ['--python-version', '3.11', '--implementation', 'cp', '--platform', 'manylinux2014_x86_64'];
  const only = ['--no-deps', '--only-binary=:all:', '--require-hashes', '-r', requirements];
  step(`fetching ${wheel} (207 MB)`, 'python3', ['-m', 'pip', 'download', '-q', ...only, ...target, '-d', 'wheel']);
  const [file] = readdirSync(join(root, 'wheel')).filter((name) => name.endsWith('.whl'));
  const wanted = [...libraries.map((name) => `tensorflow/${name}`), 'tensorflow/include/*'];
  step('unpacking libtensorflow', 'unzip', ['-q', '-o', join('wheel', file), ...wanted, '-d', deps]);
  rmSync(join(root, 'wheel'), { recursive: true });
}

/** The binding asks for other names than the wheel has, and finds the libraries at run time by the wheel's. */
function linkLibrary() {
  const lib = join(deps, 'lib');
  mkdirSync(lib, { recursive: true });
  symlinkSync('tensorflow/include', join(deps, 'include'));
  symlinkSync(`../tensorflow/${libraries[0]}`, join(lib, 'libtensorflow.so'));
  symlinkSync(`../tensorflow/${libraries[1]}`, join(lib, 'libtensorflow_framework.so'));
  for (const name of libraries) symlinkSync(`../tensorflow/${name}`, join(lib, name));
}

function compile(npm) {
  const gyp = join(dirname(npm), '../node_modules/node-gyp/bin/node-gyp.js');
  const settings = ['--module_name=tfjs_binding', '--module_path=lib/napi-v8', '--napi_build_version=8'];
  const args = [gyp, 'rebuild', '--silent', `--nodedir=${headers()}`, ...settings];
  step('compiling the binding', process.execPath, args, { cwd: packageDir });
  mkdirSync(join(packageDir, 'lib/napi-v8'), { recursive: true });
  copyFileSync(join(packageDir, 'build/Release/tfjs_binding.node'), join(packageDir, 'lib/napi-v8/tfjs_binding.node'));
}

demand();
const npm = npmCli();
rmSync(root, { recursive: true, force: true });
mkdirSync(root, { recursive: true });
writeFileSync(join(root, 'package.json'), '{ "private": true }\n');
const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
step(`installing @tensorflow/tfjs-node ${version}`, process.execPath, [
  npm,
  'install',
  ...quiet,
  `@tensorflow/tfjs-node@${version}`,
]);
unpackLibrary();
linkLibrary();
compile(npm);
process.stderr.write('build:tfjs-node: done. INKWELL_BACKEND=tfjs-node uses it.\n');
