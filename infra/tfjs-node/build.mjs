/**
 * `npm run build:tfjs-node`: builds TensorFlow.js's native backend into `.inkwell-tfjs-node/` for INKWELL_BACKEND=tfjs-node; with `-- --gpu` the one for NVIDIA's
 * graphics cards into `.inkwell-tfjs-node-gpu/` for INKWELL_BACKEND=tfjs-node-gpu, with the CUDA libraries that TensorFlow names. It is no dependency of ours, because its install script fetches libtensorflow from a host that many machines cannot reach: here the same library comes from PyPI's wheel of TensorFlow, and npm's own
 * node-gyp compiles the binding against it. Needs Linux on x86-64, Python 3 with pip, unzip, make and a C++ compiler; about 1.3 GB of disk, 6 GB with `--gpu`.
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

/** Wheels by their checksums. TensorFlow's release is the one that this version's binding was written for. */
const onProcessor = {
  name: 'tfjs-node',
  size: '207 MB',
  tensorflow: { 'tensorflow-cpu==2.15.1': '54660c074d7241a503e81edfd9f5ef5af88f64051b72e2945f26318c790f2d26' },
  cuda: {},
};
const onCard = {
  name: 'tfjs-node-gpu',
  size: '2.3 GB',
  tensorflow: { 'tensorflow==2.15.1': 'bb0edd69103c154245c5f209f0507355cc68ba7e4de350084bc31edc562478e4' },
  /** What its metadata lists as `and-cuda`, without the compiler. */
  cuda: {
    'nvidia-cublas-cu12==12.2.5.6': 'f448d8db463f9a2c7dd9a1e607c0961d3e95f825b86839c5882f7d073d406df0',
    'nvidia-cuda-cupti-cu12==12.2.142': 'ce68d1009dd14215e38ed49643d31374c71d6fea381181cb0b9da7f19dfd1624',
    'nvidia-cuda-nvrtc-cu12==12.2.140': 'b1cdcae6443cb7cdcfb5d1bf51896a148c9f82f9e65b27db9ab095eaed689aa7',
    'nvidia-cuda-runtime-cu12==12.2.140': 'acb9cb7e44594a3512533497ea790d9f0b0e399abcc888584c157d1ffa080e41',
    'nvidia-cudnn-cu12==8.9.4.25': '9f882d5b11753c566fd32427839089eb4f8ba7a58c28446ad359e32c40229723',
    'nvidia-cufft-cu12==11.0.8.103': '72e961e578f9be9e316ccb4db8652c421dd0b57442624faa71061d452f449a67',
    'nvidia-curand-cu12==10.3.3.141': '7b6bad6817b5df2a6f5ec221206fb895d9195fdd7d2443f3e86554108c141a0a',
    'nvidia-cusolver-cu12==11.5.2.141': '5a85c4653ce34339a5688137f494a0f903e0f0532418550998167f00844161da',
    'nvidia-cusparse-cu12==12.1.2.141': '4e13d6a51d2303dcb2a023ba09546811161f0334fc64e13689397bbd3b1eb126',
    'nvidia-nccl-cu12==2.16.5': '84695a4248138fb2ca12f5fd3defe986e790e71ccdaad51b2ca34ca4e83ef421',
    'nvidia-nvjitlink-cu12==12.2.140': '95635cafbf9f96c38bea5200ab145a2e6aefbb5405e0b04c1e4ba54df2d84ec9',
  },
};
const { name, size, tensorflow, cuda } = process.argv.includes('--gpu') ? onCard : onProcessor;

const root = fileURLToPath(new URL(`../../.inkwell-${name}/`, import.meta.url));
const version = '4.22.0';
const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
const packageDir = join(root, `node_modules/@tensorflow/${name}`);
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
    fail(`there is no wheel of TensorFlow 2.15.1 for ${process.platform} ${process.arch}, only for linux x64`);
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
  const wheels = Object.entries({ ...tensorflow, ...cuda });
  writeFileSync(requirements, wheels.map(([wheel, hash]) => `${wheel} --hash=sha256:${hash}\n`).join(''));
  const platforms = ['--platform', 'manylinux2014_x86_64', '--platform', 'manylinux1_x86_64'];
  const target = ['--python-version', '3.11', '--implementation', 'cp', ...platforms];
  const only = ['--no-deps', '--only-binary=:all:', '--require-hashes', '-r', requirements];
  step(`fetching TensorFlow (${size})`, 'python3', ['-m', 'pip', 'download', '-q', ...only, ...target, '-d', 'wheel']);
  // Where they lie beside each other, TensorFlow finds NVIDIA's libraries by itself.
  for (const file of readdirSync(join(root, 'wheel'))) {
    const own = [...libraries.map((library) => `tensorflow/${library}`), 'tensorflow/include/*'];
    const wanted = file.startsWith('nvidia') ? ['nvidia/*/lib/*'] : own;
    step(`unpacking ${file.split('-', 1)}`, 'unzip', ['-q', '-o', join('wheel', file), ...wanted, '-d', deps]);
  }
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
step(`installing @tensorflow/${name} ${version}`, process.execPath, [
  npm,
  'install',
  ...quiet,
  `@tensorflow/${name}@${version}`,
]);
unpackLibrary();
linkLibrary();
compile(npm);
process.stderr.write(`build:tfjs-node: done. INKWELL_BACKEND=${name} uses it.\n`);
