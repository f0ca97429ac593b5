/**
 * Compiles the AssemblyScript kernels to src/backends/tfjs-wasm/kernels.wasm. The build is deterministic: the same
 * compiler version gives the same bytes. An argument names another output file.
 */
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const source = fileURLToPath(new URL('index.ts', import.meta.url));
const output = process.argv[2] ?? fileURLToPath(new URL('../src/backends/tfjs-wasm/kernels.wasm', import.meta.url));

const { error, stderr } = await asc.main([
  source,
  '--outFile', output,
  '--optimizeLevel', '3', '--shrinkLevel', '0', '--converge', '--noAssert',
  '--runtime', 'stub', '--use', 'abort=',
  '--enable', 'simd,threads',
  // The kernels work on TensorFlow.js's own memory: shared, 4 GiB at most, and never written except through arguments.
  '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536',
  '--noExportMemory',
]);
if (error) {
  console.error(stderr.toString());
  process.exit(1);
}
