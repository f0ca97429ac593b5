/**
 * `npm run install:webgpu [-- --software]`: installs what INKWELL_BACKEND=webgpu needs into `.inkwell-webgpu/`: Dawn for Node (npm `webgpu`) and TensorFlow.js's backend for it, 160
 * MB that no other machine has to carry. With `--software` also SwiftShader, a Vulkan that computes on the processor, to try and test it without a graphics card (Linux
 * on x86-64): start with VK_ICD_FILENAMES as printed. `--into FOLDER` puts it all elsewhere, as the tests do.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brotliDecompressSync } from 'node:zlib';

const { values } = parseArgs({ options: { software: { type: 'boolean' }, into: { type: 'string' } } });
const root = resolve(values.into ?? fileURLToPath(new URL('../../.inkwell-webgpu/', import.meta.url)));
const packages = ['webgpu@0.6.2', '@tensorflow/tfjs-backend-webgpu@4.22.0'];
const software = '@sparticuz/chromium@153.0.0';
const withSoftware = values.software === true;

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (!error && status === 0) return;
  process.stderr.write(
    `install:webgpu: ${command} ${args.join(' ')} failed (${error?.message ?? `exit code ${status}`})\n`,
  );
  process.exit(1);
}

if (withSoftware && (process.platform !== 'linux' || process.arch !== 'x64')) {
  process.stderr.write('install:webgpu: --software is for Linux on x86-64 only\n');
  process.exit(1);
}
rmSync(root, { recursive: true, force: true });
mkdirSync(root, { recursive: true });
writeFileSync(join(root, 'package.json'), '{ "private": true }\n');
// Without its peer, tfjs-core: it finds the one that we use.
const quiet = ['--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', '--loglevel=error'];
const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
run(npm[0], [...npm.slice(1), 'install', ...quiet, ...packages, ...(withSoftware ? [software] : [])]);
if (withSoftware) {
  const place = join(root, 'swiftshader');
  mkdirSync(place);
  const packed = readFileSync(join(root, 'node_modules/@sparticuz/chromium/bin/swiftshader.tar.br'));
  writeFileSync(join(root, 'swiftshader.tar'), brotliDecompressSync(packed));
  run('tar', [
    '-xf',
    'swiftshader.tar',
    '-C',
    'swiftshader',
    'libvulkan.so.1',
    'libvk_swiftshader.so',
    'vk_swiftshader_icd.json',
  ]);
  rmSync(join(root, 'swiftshader.tar'));
  rmSync(join(root, 'node_modules/@sparticuz'), { recursive: true });
  // Dawn looks beside itself first. It is the usual loader: which driver it takes is for VK_ICD_FILENAMES to say.
  cpSync(join(place, 'libvulkan.so.1'), join(root, 'node_modules/webgpu/dist/linux-x64/libvulkan.so.1'));
  process.stderr.write(`VK_ICD_FILENAMES=${join(place, 'vk_swiftshader_icd.json')}\n`);
}
process.stderr.write('install:webgpu: done. INKWELL_BACKEND=webgpu uses it.\n');
