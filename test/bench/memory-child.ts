/**
 * One engine's memory, in a process of its own: when the model has been loaded, and when every position of its KV cache has been written. Arguments: model
 * directory, backend, quantization, KV cache, directory of quantised weights, native add-on. With
 * `--load-only` before them the model is only loaded, which fills that directory. The answer is one JSON line on stdout.
 */
import { type BackendOptions, loadModel, quantizedBytes } from '@inkwell/gpt2/tfjs';

const rowsPerStep = 128;

export interface MemoryFigures {
  /** Bytes. */
  loaded: number;
  full: number;
  weights: number;
  cache: number;
  positions: number;
}

const isLoadOnly = process.argv[2] === '--load-only';
const [directory = '', name, quantization, kvCache, cacheDirectory = '', addonPath = ''] = process.argv.slice(
  isLoadOnly ? 3 : 2,
);
const { backend, config } = await loadModel(directory, {
  backend: name as BackendOptions['backend'] & string,
  quantization: quantization as BackendOptions['quantization'] & string,
  kvCache: kvCache as BackendOptions['kvCache'] & string,
  cacheDirectory,
  addonPath,
});
const loaded = process.memoryUsage.rss();
const { blockSize, blockCount } = backend.info;
// A sequence for each block: what is written is the same, and little is attended to.
for (let block = isLoadOnly ? blockCount : 0; block < blockCount; block += rowsPerStep / blockSize) {
  const tables = Array.from({ length: Math.min(rowsPerStep / blockSize, blockCount - block) }, (_, i) =>
    Int32Array.of(block + i),
  );
  const rows = tables.length * blockSize;
  await backend.forward({
    tokens: Int32Array.from({ length: rows }, (_, row) => (row * 31) % config.vocab_size),
    positions: Int32Array.from({ length: rows }, (_, row) => row % blockSize),
    sequences: Int32Array.from({ length: rows }, (_, row) => Math.floor(row / blockSize)),
    blockTables: tables,
    logitsRows: new Int32Array(0),
  });
}
const full = process.memoryUsage.rss();
await backend.dispose();
const kinds = [quantization as 'int8' | 'int4' | 'w4a8', kvCache as 'int8' | 'int4'] as const;
const { weights, block } = quantizedBytes(config, ...kinds, blockSize);
const figures: MemoryFigures = { loaded, full, weights, cache: block * blockCount, positions: blockCount * blockSize };
process.stdout.write(`${JSON.stringify(figures)}\n`);
