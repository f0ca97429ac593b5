/**
 * `npm run build:native`: compiles the native accelerator with the C++ compiler in CXX, or the first that is found. Optional: without it the product
 * computes in WebAssembly. Needs g++ 12 or clang++ 15, nothing else. `-- --arch arm64` (or x64) compiles for Linux on another processor, with Debian's
 * cross compilers or what CXX names. Usage: node build.mjs [--arch x64|arm64] [--out FILE]
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import headers from 'node-api-headers';
import { sourceHash } from './source-hash.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const triples = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/** Contraction would fuse a product and a sum into one rounding: other bits than WebAssembly's. */
const flags = [
  '-std=c++20',
  '-O3',
  '-fPIC',
  '-ffp-contract=off',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fvisibility=hidden',
  '-pthread',
  '-Wall',
  '-Wextra',
  '-Wno-psabi',
  '-Wno-maybe-uninitialized',
  '-Wno-unknown-warning-option',
];
const instructionFlags = {
  x64: {
    'kernels-avx2.cpp': ['-mavx2', '-mfma'],
    'kernels-avx512-vnni.cpp': [
      '-mavx2',
      '-mfma',
      '-mavx512f',
      '-mavx512bw',
      '-mavx512vl',
      '-mavx512dq',
      '-mavx512vnni',
    ],
  },
  arm64: { 'kernels-neon-dotprod.cpp': ['-march=armv8.2-a+dotprod'] },
};

function findCompiler(arch) {
  const own = arch === process.arch ? ['g++', 'clang++', 'c++'] : [`${triples[arch]}-g++`];
  const candidates = process.env.CXX ? [process.env.CXX] : own;
  const found = candidates.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
  if (found === undefined) {
    throw new Error(
      `no C++ compiler (tried ${candidates.join(', ')}): install one or set CXX. The product works without it.`,
    );
  }
  return found;
}

function run(file, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${file} ${args.join(' ')} ended with ${code}`)),
    );
  });
}

async function build() {
  if (process.platform === 'win32')
    throw new Error('the native accelerator is not available for Windows; the product works without it');
  const { values } = parseArgs({ options: { arch: { type: 'string' }, out: { type: 'string' } } });
  const { arch = process.arch } = values;
  if (arch !== process.arch && (process.platform !== 'linux' || triples[arch] === undefined))
    throw new Error(`--arch ${arch}: on Linux one can compile for ${Object.keys(triples).join(' and ')}`);
  const target = values.out ?? join(here, 'build', `inkwell-${process.platform}-${arch}.node`);
  const compiler = findCompiler(arch);
  const scratch = mkdtempSync(join(tmpdir(), 'inkwell-native-'));
  try {
    const sources = readdirSync(here).filter((name) => name.endsWith('.cpp'));
    const objects = sources.map((name) => join(scratch, `${name}.o`));
    const compiled = await Promise.allSettled(
      sources.map((name, index) => {
        const own = instructionFlags[arch]?.[name] ?? [];
        const defines = [`-DINKWELL_SOURCE_HASH="${sourceHash()}"`, '-DNAPI_VERSION=8'];
        return run(compiler, [
          ...flags,
          ...own,
          ...defines,
          '-isystem',
          headers.include_dir,
          '-c',
          join(here, name),
          '-o',
          objects[index],
        ]);
      }),
    );
    const failure = compiled.find(({ status }) => status === 'rejected');
    if (failure !== undefined) throw failure.reason;
    const built = join(scratch, 'inkwell.node');
    const link = process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared'];
    await run(compiler, [...link, '-pthread', ...objects, '-o', built]);
    mkdirSync(dirname(target), { recursive: true });
    // Appears complete, and a process that has the old one mapped keeps it.
    const unfinished = `${target}.${process.pid}`;
    copyFileSync(built, unfinished);
    renameSync(unfinished, target);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return target;
}

try {
  process.stdout.write(`built ${await build()}\n`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
