/**
 * The quantised path against its definition: what rounding weights and activations means is computed here again, plainly, in
 * JavaScript's doubles, and the step must not differ by more than float rounding.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memory } from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadModel } from '../../../load-model.ts';
import { writeRandomModel } from '../../../random-model.ts';
import { widenHalf } from '../../../safetensors/float-conversion.ts';
import { SafetensorsFile } from '../../../safetensors/reader.ts';
import { type TensorToWrite, writeSafetensors } from '../../../safetensors/writer.ts';
import { philox4x32 } from '../../../sampling/philox.ts';
import { testData } from '../../../testing/paths.ts';
import { promptLogits } from '../../../testing/run-sequence.ts';
import { conv1d, embedding, quantizeMatrix } from './quantize.ts';
import { GROUP_BYTES, quantizeToGroups } from './quantize-groups.ts';

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

/** Copies a model, each matrix of its layers replaced by what 4 bits make of it, computed from the definition. */
async function writeRounded(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
  await using file = await SafetensorsFile.open(join(from, 'model.safetensors'));
  const tensors: TensorToWrite[] = [];
  for (const { name, shape, dtype } of file.entries) {
    // Old checkpoints carry causal masks.
    if (!['F32', 'F16', 'BF16'].includes(dtype)) continue;
    const values = await file.read(name, shape);
    if (/(c_attn|c_proj|c_fc)\.weight$/.test(name)) roundToGroups(values, shape as [number, number]);
    tensors.push({ name, shape, values: () => values });
  }
  await writeSafetensors(join(to, 'model.safetensors'), tensors, 'F32');
}

function roundToGroups(values: Float32Array, [depth, columns]: [number, number]): void {
  const groups = Math.ceil(depth / 32);
  const bytes = new Uint8Array(Math.ceil(columns / 8) * groups * GROUP_BYTES);
  quantizeToGroups(conv1d(values, depth, columns), bytes);
  for (let i = 0; i < depth; i++) {
    for (let o = 0; o < columns; o++) values[i * columns + o] = groupedWeight(bytes, groups, i, o);
  }
}

/** What the kernel makes of the weight of input i and column o, by the layout's description. */
function groupedWeight(bytes: Uint8Array, groups: number, i: number, o: number): number {
  const group = (Math.floor(o / 8) * groups + Math.floor(i / 32)) * GROUP_BYTES;
  const byte = bytes[group + Math.floor((i % 16) / 4) * 32 + (o % 8) * 4 + (i % 4)]!;
  const nibble = i % 32 < 16 ? byte & 15 : byte >> 4;
  const half = bytes[group + 128 + 2 * (o % 8)]! | (bytes[group + 129 + 2 * (o % 8)]! << 8);
  return (nibble - 8) * widenHalf(half);
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

describe(`quantizeToGroups (seed ${SEED})`, () => {
  const [depth, columns] = [75, 11];
  const packed = () => new Uint8Array(2 * 3 * GROUP_BYTES);
  const valueAt = (bytes: Uint8Array, i: number, o: number) => groupedWeight(bytes, 3, i, o);

  it('rounds every weight to one of 16 steps of its group, and a group no worse than by its largest weight alone', () => {
    const values = randomValues(depth * columns, 3);
    const to = packed();
    quantizeToGroups(conv1d(values, depth, columns), to);
    for (let o = 0; o < columns; o++) {
      for (let first = 0; first < depth; first += 32) {
        const inputs = Array.from({ length: Math.min(32, depth - first) }, (_, k) => first + k);
        const weights = inputs.map((i) => values[i * columns + o]!);
        const largest = weights.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
        const simple = largest / -8;
        const error = (read: (k: number) => number) => weights.reduce((sum, w, k) => sum + (read(k) - w) ** 2, 0);
        const byLargest = error((k) => Math.min(7, Math.max(-8, Math.round(weights[k]! / simple))) * simple);
        // A scale in half precision is off by up to 2^-11 of itself.
        expect(error((k) => valueAt(to, inputs[k]!, o))).toBeLessThanOrEqual(byLargest * 1.01);
      }
    }
  });

  it('gives the same for a matrix and its transpose, and zeros for zeros', () => {
    const values = randomValues(depth * columns, 4);
    const transposed = values.map((_, j) => values[(j % depth) * columns + Math.floor(j / depth)]!);
    const [one, other, zero] = [packed(), packed(), packed()];
    quantizeToGroups(conv1d(values, depth, columns), one);
    quantizeToGroups(embedding(transposed, depth, columns), other);
    expect(other).toEqual(one);
    quantizeToGroups(conv1d(new Float32Array(depth * columns), depth, columns), zero);
    for (let i = 0; i < depth; i++) for (let o = 0; o < columns; o++) expect(valueAt(zero, i, o)).toBe(0);
  });

  it('refuses weights whose scale no half-precision number holds', () => {
    const huge = new Float32Array(depth * columns).fill(1e9);
    expect(() => quantizeToGroups(conv1d(huge, depth, columns), packed())).toThrow('int4: a weight of 1000000');
  });
});

describe('int4 is the model whose layers hold the weights it was rounded to', () => {
  it.each(['plain-f32', 'odd-sizes-f32', 'scaled-layers-f16', 'unscaled-bf16', 'deep-tanh-f32', 'wide-context-f16'])(
    '%s: to the error of int8',
    async (name) => {
      const source = testData(`parity/${name}`);
      const rounded = await mkdtemp(join(tmpdir(), 'inkwell-int4-'));
      await writeRounded(source, rounded);
      const ids = Array.from({ length: 24 }, (_, i) => (i * 37 + 5) % 250);
      const quantized = await loadModel(source, { quantization: 'int4', threads: 2 });
      const exact = await loadModel(rounded, { quantization: 'none', threads: 1 });
      const error = relativeError(await promptLogits(quantized.backend, ids), await promptLogits(exact.backend, ids));
      await Promise.all([exact.backend.dispose(), quantized.backend.dispose()]);
      await rm(rounded, { recursive: true });
      expect(error).toBeGreaterThan(0);
      // What is left are the 8-bit embeddings and KV cache, and the 12-bit activations.
      expect(error, `relative error ${error}`).toBeLessThan(0.05);
    },
  );
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
