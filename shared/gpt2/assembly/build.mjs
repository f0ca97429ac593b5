/**
 * Compiles the AssemblyScript kernels to what is committed beside their users. The build is deterministic: the same
 * compiler version gives the same bytes. An argument names another folder, which then gets all of them.
 */
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const options = ['--optimizeLevel', '3', '--shrinkLevel', '0', '--converge', '--noAssert', '--runtime', 'stub', '--use', 'abort='];
const modules = [
  {
    source: 'index.ts',
    output: '../src/backends/tfjs-wasm/kernels.wasm',
    // The kernels work on TensorFlow.js's own memory: shared, 4 GiB at most, and never written except through arguments.
    options: ['--enable', 'simd,threads', '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536', '--noExportMemory'],
  },
  // Sampling has a memory of its own, laid out by its user.
  { source: 'sampling/index.ts', output: '../src/sampling/sampling.wasm', options: ['--enable', 'simd'] },
];

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
for (const one of modules) {
  const output = process.argv[2] === undefined ? here(one.output) : join(process.argv[2], basename(one.output));
  const { error, stderr } = await asc.main([here(one.source), '--outFile', output, ...options, ...one.options]);
  if (error) {
    console.error(stderr.toString());
    process.exit(1);
  }
}
