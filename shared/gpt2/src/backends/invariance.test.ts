/**
 * The promise restarts and continuous batching stand on: a row's logits are a function of its own sequence alone, bit
 * for bit. Each test computes the same rows in two circumstances and compares every bit.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelBackend } from '@inkwell/ports';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../load-model.ts';
import { writeRandomModel } from '../random-model.ts';
import { philox4x32 } from '../sampling/philox.ts';
import { BUILD_TIMEOUT_MS, nativeAddonPath } from '../testing/native-addon.ts';
import { promptLogits, stepOf, tableFrom } from '../testing/run-sequence.ts';

const SEED = 20260101;
const VOCAB_SIZE = 1003;
const LENGTH = 290;
const NEIGHBOURS = 15;

function tokens(stream: number, length: number): number[] {
  return Array.from({ length }, (_, i) => philox4x32([i, stream, 0, 0], [SEED, 0])[0] % VOCAB_SIZE);
}

/** A permutation of the backend's blocks, so that neighbouring positions lie far apart. */
function shuffledTable(backend: ModelBackend): Int32Array {
  const { blockCount } = backend.info;
  return tableFrom(backend).map((block) => (block * 37 + 11) % blockCount);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength);

function expectSameBits(actual: readonly Float32Array[], expected: readonly Float32Array[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((row, index) => {
    const same = bytesOf(row).equals(bytesOf(expected[index]!));
    expect(same, `logits of row ${index}`).toBe(true);
  });
}

describe.each([
  { kind: 'wasm f32', options: { quantization: 'none' }, blockSizes: [1, 3, 16, 300], threadCounts: [1, 3, 4] },
  { kind: 'wasm int8', options: { quantization: 'int8' }, blockSizes: [8, 16, 24, 304], threadCounts: [1, 3, 4] },
  {
    kind: 'wasm int8, KV int4',
    options: { quantization: 'int8', kvCache: 'int4' },
    blockSizes: [8, 16, 24, 304],
    threadCounts: [1, 3, 4],
  },
  {
    kind: 'native int8, KV int4',
    options: { backend: 'native', quantization: 'int8', kvCache: 'int4' },
    blockSizes: [8, 24, 304],
    threadCounts: [1, 4],
  },
  { kind: 'wasm int4', options: { quantization: 'int4' }, blockSizes: [8, 16, 24, 304], threadCounts: [1, 3, 4] },
  {
    kind: 'native int8',
    options: { backend: 'native', quantization: 'int8' },
    blockSizes: [8, 16, 24, 304],
    threadCounts: [1, 3, 4],
  },
  {
    kind: 'native w4a8',
    options: { backend: 'native', quantization: 'w4a8' },
    blockSizes: [8, 16, 24, 304],
    threadCounts: [1, 3, 4],
  },
  { kind: 'tfjs', options: { backend: 'tfjs' }, blockSizes: [1, 3, 16, 300], threadCounts: [] },
] as const)(`batch invariance, $kind (seed ${SEED})`, ({ options, blockSizes, threadCounts }) => {
  const prompt = tokens(0, LENGTH);
  let directory: string;
  let backend: ModelBackend;
  let alone: Float32Array[];

  let addonPath: string;
  const load = async (more: { threads: number; blockSize?: number }) =>
    (await loadModel(directory, { addonPath, ...options, ...more })).backend;

  beforeAll(async () => {
    addonPath = await nativeAddonPath();
    directory = await mkdtemp(join(tmpdir(), 'inkwell-gpt2-'));
    const shape = { n_layer: 3, n_head: 5, n_embd: 140, n_positions: 300, n_inner: 430, vocab_size: VOCAB_SIZE };
    await writeRandomModel(directory, shape, { seed: SEED });
    backend = await load({ threads: 2 });
    alone = await promptLogits(backend, prompt, { chunk: 1 });
  }, BUILD_TIMEOUT_MS);
  afterAll(async () => {
    await backend.dispose();
    await rm(directory, { recursive: true });
  });

  it.each([2, 3, 7, 65, LENGTH])('a prompt fed %i tokens at a time gives the bits of one at a time', async (chunk) => {
    expectSameBits(await promptLogits(backend, prompt, { chunk }), alone);
  });

  it('other blocks of the cache give the same bits', async () => {
    expectSameBits(await promptLogits(backend, prompt, { chunk: 50, table: shuffledTable(backend) }), alone);
  });

  it.each<number>(blockSizes)('a block size of %i gives the same bits', async (blockSize) => {
    const other = await load({ threads: 2, blockSize });
    expectSameBits(await promptLogits(other, prompt, { chunk: 64 }), alone);
    await other.dispose();
  });

  it.each<number>(threadCounts)('%i threads give the bits of 2', async (threads) => {
    const other = await load({ threads });
    expect(other.info.threads).toBe(threads);
    expectSameBits(await promptLogits(other, prompt), alone);
    await other.dispose();
  });

  it('15 neighbours of ragged lengths, decoding and prefilling, change no bit', async () => {
    const tablesLength = tableFrom(backend).length;
    const others = Array.from({ length: NEIGHBOURS }, (_, i) => tokens(i + 1, 1 + ((i * 29) % LENGTH)));
    const rows: Float32Array[] = [];
    for (let from = 0; from < LENGTH; from += 10) {
      const slices = others.map((ids, i) => {
        // Each neighbour moves at its own pace: one token per step, or many.
        const stride = 1 + (i % 13);
        const start = ((from / 10) * stride) % ids.length;
        return {
          ids: ids.slice(start, start + stride),
          from: start,
          table: tableFrom(backend, (i + 1) * tablesLength),
        };
      });
      slices.splice(7, 0, { ids: prompt.slice(from, from + 10), from, table: tableFrom(backend) });
      const step = stepOf(slices, 'all');
      const logits = await backend.forward(step);
      rows.push(...logits.filter((_, row) => step.sequences[row] === 7).map((row) => row.slice()));
    }
    expectSameBits(rows, alone);
  });
});
