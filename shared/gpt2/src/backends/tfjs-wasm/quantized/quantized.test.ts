/**
 * The quantised path against its definition: what rounding weights and activations means is computed here again, plainly, in
 * JavaScript's doubles, and the step must not differ by more than float rounding.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory } from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadModel } from '../../../load-model.ts';
import { writeRandomModel } from '../../../random-model.ts';
import { philox4x32 } from '../../../sampling/philox.ts';
import { testData } from '../../../testing/paths.ts';
import { promptLogits } from '../../../testing/run-sequence.ts';
import { conv1d, embedding, quantizeMatrix } from './quantize.ts';

const SEED = 20261124;

function randomValues(count: number, stream: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => philox4x32([i, stream, 0, 0], [SEED, 0])[0] / 2 ** 31 - 1);
}

function relativeError(actual: readonly Float32Array[], expected: readonly Float32Array[]): number {
  let difference = 0;
  let size = 0;
  actual.forEach((row, r) => {
    row.forEach((value, i) => {
      difference += (value - expected[r]![i]!) ** 2;
      size += expected[r]![i]! ** 2;
    });
  });
  return Math.sqrt(difference / size);
}

describe(`quantizeMatrix (seed ${SEED})`, () => {
  const [depth, columns] = [7, 11];
  const packed = () => ({ weight: new Int8Array(8 * 16), scales: new Float32Array(16) });
  const at = (i: number, o: number) => Math.floor(o / 8) * 64 + Math.floor(i / 4) * 32 + (o % 8) * 4 + (i % 4);

  it('rounds every weight to the nearest of 255 steps of its column', () => {
    const values = randomValues(depth * columns, 1);
    const to = packed();
    quantizeMatrix(conv1d(values, depth, columns), to);
    for (let o = 0; o < columns; o++) {
      const column = Array.from({ length: depth }, (_, i) => values[i * columns + o]!);
      const largest = Math.max(...column.map(Math.abs));
      expect(to.scales[o]).toBe(Math.fround(largest / 127));
      column.forEach((value, i) => {
        expect(Math.abs(to.weight[at(i, o)]! * (largest / 127) - value)).toBeLessThanOrEqual(largest / 254 + 1e-7);
      });
    }
  });

  it('gives the same for a matrix and its transpose', () => {
    const values = randomValues(depth * columns, 2);
    const transposed = Float32Array.from({ length: depth * columns }, (_, j) => {
      return values[(j % depth) * columns + Math.floor(j / depth)]!;
    });
    const [one, other] = [packed(), packed()];
    quantizeMatrix(conv1d(values, depth, columns), one);
    quantizeMatrix(embedding(transposed, depth, columns), other);
    expect(other).toEqual(one);
  });

  it('leaves padding and a column of zeros at zero', () => {
    const to = packed();
    quantizeMatrix(conv1d(new Float32Array(depth * columns), depth, columns), to);
    expect(to.weight.every((value) => value === 0)).toBe(true);
    expect(to.scales.every((value) => value === 0)).toBe(true);
  });
});

describe('int8 against f32', () => {
  // Random weights of these fixtures are far larger than trained ones: their errors are, too.
  it.each([
    ['plain-f32', 0.02],
    ['odd-sizes-f32', 0.02],
    ['scaled-layers-f16', 0.02],
    ['unscaled-bf16', 0.05],
    ['deep-tanh-f32', 0.02],
    ['wide-context-f16', 0.05],
  ])('%s: logits differ by at most %d of their size', async (name, bound) => {
    const directory = testData(`parity/${name}`);
    const float = await loadModel(directory, { quantization: 'none', threads: 1 });
    const quantized = await loadModel(directory, { quantization: 'int8', threads: 2 });
    const ids = Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % float.config.vocab_size);
    const error = relativeError(await promptLogits(quantized.backend, ids), await promptLogits(float.backend, ids));
    await Promise.all([float.backend.dispose(), quantized.backend.dispose()]);
    expect(error).toBeGreaterThan(0);
    expect(error, `relative error ${error}`).toBeLessThan(bound);
    expect(memory().numTensors, 'dispose frees every tensor').toBe(0);
  });
});

describe('loadModel with quantization', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'inkwell-quantized-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it('takes int8 by itself, and floats where a layer is too deep for it', async () => {
    const shape = { n_layer: 1, n_head: 1, n_embd: 4, n_positions: 8, vocab_size: 300 };
    await writeRandomModel(directory, shape, { seed: SEED });
    const usual = await loadModel(directory, { threads: 1 });
    expect(usual.backend.info.quantization).toBe('int8');
    await usual.backend.dispose();
    await writeRandomModel(directory, { ...shape, n_inner: 8257 }, { seed: SEED });
    const deep = await loadModel(directory, { threads: 1 });
    expect(deep.backend.info.quantization).toBe('none');
    await deep.backend.dispose();
    await expect(loadModel(directory, { threads: 1, quantization: 'int8' })).rejects.toThrow(
      'int8: a layer has 8257 inputs, quantised weights allow 8256',
    );
    expect(memory().numTensors).toBe(0);
  });

  it('refuses a block size it cannot use', async () => {
    await writeRandomModel(
      directory,
      { n_layer: 1, n_head: 1, n_embd: 4, n_positions: 8, vocab_size: 300 },
      { seed: SEED },
    );
    const loading = loadModel(directory, { threads: 1, quantization: 'int8', blockSize: 12 });
    await expect(loading).rejects.toThrow('blockSize must be a multiple of 8, got 12');
    expect(memory().numTensors).toBe(0);
  });
});
