/**
 * Every compute kernel against the same in plain TypeScript, over shapes that fill no tile: single values, odd widths, one row and many, long pasts. Where rows can share a
 * read of the weights, alone and together must give the same bits.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { philox4x32 } from '../../sampling/philox.ts';
import {
  type Matrix,
  PLAIN_ACTIVATIONS,
  plainAttention,
  plainNorm,
  plainProduct,
} from '../../testing/plain-kernels.ts';
import { type KernelRun, type KernelValues, runKernel } from '../../testing/run-kernel.ts';
import { INSTALL_TIMEOUT_MS, softwareWebgpuPath } from '../../testing/software-webgpu.ts';
import { conv1d, embedding, quantizeMatrix } from '../tfjs-wasm/quantized/quantize.ts';
import { type AttentionShape, attentionKernel } from './kernels/attention.wgsl.ts';
import { embedKernel } from './kernels/embed.wgsl.ts';
import { layerNormKernel } from './kernels/layer-norm.wgsl.ts';
import { type LinearShape, linearKernel } from './kernels/linear.wgsl.ts';
import { queryKeyValueKernel } from './kernels/query-key-value.wgsl.ts';
import type { WeightKind } from './kernels/weights.wgsl.ts';
import { PANEL, paddedWidth, panelsOf, QUAD, quadsOf } from './layout.ts';
import { foldNorm, packFloats } from './pack.ts';
import { acquireWebgpu, type WebgpuRuntime } from './runtime.ts';

/** Compiling a kernel on a busy processor. */
vi.setConfig({ testTimeout: 240_000 });

const SEED = Number(process.env.TEST_SEED ?? 20261124);
const MOST_TOGETHER = 8;

let runtime: WebgpuRuntime;
beforeAll(async () => {
  runtime = await acquireWebgpu(await softwareWebgpuPath());
}, INSTALL_TIMEOUT_MS);
afterAll(() => runtime.release());

/** A source of numbers from -1 to 1; the same for the same stream. */
function numbers(stream: number): () => number {
  let i = 0;
  return () => philox4x32([i++, stream, 0, 0], [SEED, 0])[0] / 2 ** 31 - 1;
}

const vectorOf = (next: () => number, length: number) => Array.from({ length }, () => Math.fround(next()));
const matrixOf = (next: () => number, rows: number, columns: number): Matrix =>
  Array.from({ length: rows }, () => vectorOf(next, columns));

/** Rows as kernels read them: so wide as asked, and whole tiles of them, the last of rubbish. */
function rowsOf(matrix: Matrix, width: number): Float32Array {
  const values = new Float32Array(Math.ceil(matrix.length / MOST_TOGETHER) * MOST_TOGETHER * width);
  values.fill(7e7, matrix.length * width);
  for (const [r, row] of matrix.entries()) values.set(row, r * width);
  return values;
}

const padded = (vector: readonly number[]) => {
  const values = new Float32Array(paddedWidth(vector.length));
  values.set(vector);
  return values;
};

/** `count` rows of `width` floats, each as long as `length`. */
const unpadded = (values: Float32Array, count: number, width: number, length: number) =>
  Array.from({ length: count }, (_, r) => Array.from(values.subarray(r * width, r * width + length)));

/** The batch of rows at these positions, see kernels/kernel.ts. */
function batchOf(entries: readonly (readonly [token: number, position: number, slot: number, table: number])[]) {
  return Int32Array.from([[entries.length, entries.length, 0, 0], ...entries].flat());
}
const rowsOnly = (count: number) => batchOf(Array.from({ length: count }, () => [0, 0, 0, 0] as const));

interface Weights {
  /** What the kernel computes with: the values themselves, or what they were rounded to. */
  readonly matrix: Matrix;
  readonly tensors: Record<string, KernelValues>;
}

/** @param source [depth][columns] */
function weightsOf(source: Matrix, kind: WeightKind, name = 'weight'): Weights {
  const [depth, columns] = [source.length, source[0]!.length];
  const from = conv1d(Float32Array.from(source.flat()), depth, columns);
  if (kind === 'f32') return { matrix: source, tensors: { [name]: packFloats(from) } };
  const weight = new Int8Array(panelsOf(columns) * quadsOf(depth) * PANEL * QUAD);
  const scales = new Float32Array(panelsOf(columns) * PANEL);
  quantizeMatrix(from, { weight, scales });
  const rounded = source.map((row, i) =>
    row.map((_, o) => {
      const at = ((Math.floor(o / PANEL) * quadsOf(depth) + Math.floor(i / QUAD)) * PANEL + (o % PANEL)) * QUAD;
      return weight[at + (i % QUAD)]! * scales[o]!;
    }),
  );
  return { matrix: rounded, tensors: { [name]: weight, scales } };
}

/** Differences beyond rounding, each as a text. */
function expectClose(actual: readonly (readonly number[])[], expected: Matrix, tolerance = 2e-5): void {
  expect(actual.length).toBe(expected.length);
  const worst = actual.flatMap((row, r) =>
    row.flatMap((value, c) => {
      const wanted = expected[r]![c]!;
      const allowed = tolerance * (1 + Math.abs(wanted));
      return Math.abs(value - wanted) <= allowed ? [] : [`[${r}][${c}]: ${value} instead of ${wanted}`];
    }),
  );
  expect(worst.slice(0, 5), `seed ${SEED}`).toEqual([]);
}

/** Runs it with one row per workgroup and with several; the bits must be the same. */
async function runBoth<Shape extends object>(run: Omit<KernelRun<Shape>, 'rowsPerGroup'>) {
  const alone = await runKernel(runtime, { ...run, rowsPerGroup: 1 });
  const together = await runKernel(runtime, { ...run, rowsPerGroup: MOST_TOGETHER });
  expect(together, `rows together, seed ${SEED}`).toEqual(alone);
  return alone;
}

describe.each(['f32', 'int8'] as const)('products with %s weights', (weights) => {
  it.each([
    { rows: 1, depth: 1, columns: 1, activation: 'none' },
    { rows: 3, depth: 21, columns: 50, activation: 'relu' },
    { rows: 8, depth: 64, columns: 8, activation: 'gelu_tanh' },
    { rows: 9, depth: 67, columns: 19, activation: 'gelu_erf' },
    { rows: 17, depth: 130, columns: 9, activation: 'silu' },
    { rows: 2, depth: 1027, columns: 12, activation: 'tanh' },
  ] as const)('linear: $rows rows, $depth -> $columns, $activation', async ({ rows, depth, columns, activation }) => {
    const next = numbers(rows);
    const x = matrixOf(next, rows, depth);
    const { matrix, tensors } = weightsOf(matrixOf(next, depth, columns), weights);
    const bias = vectorOf(next, columns);
    const before = matrixOf(next, rows, columns);
    for (const accumulates of [false, true]) {
      const shape: LinearShape = { depth, columns, weights, activation, accumulates, counts: 'rows' };
      const out = rowsOf(before, paddedWidth(columns));
      const all = { batch: rowsOnly(rows), x: rowsOf(x, paddedWidth(depth)), ...tensors, bias: padded(bias), out };
      const result = (await runBoth({ kernel: linearKernel, shape, rows, tensors: all })).out!;
      const expected = x.map((row, r) =>
        plainProduct(row, matrix, bias).map(
          (value, o) => PLAIN_ACTIVATIONS[activation](value) + (accumulates ? before[r]![o]! : 0),
        ),
      );
      expectClose(unpadded(result, rows, paddedWidth(columns), columns), expected);
      expect(result.subarray(rows * paddedWidth(columns)), 'rows beyond the batch').toEqual(
        out.subarray(rows * paddedWidth(columns)),
      );
    }
  });

  it.each([
    { rows: 1, depth: 7, heads: 7 },
    { rows: 5, depth: 21, heads: 3 },
    { rows: 11, depth: 96, heads: 4 },
  ])('queries, keys and values: $rows rows, $heads heads of $depth together', async ({ rows, depth, heads }) => {
    const next = numbers(100 + rows);
    const norm = { gain: vectorOf(next, depth), shift: vectorOf(next, depth), epsilon: 1e-5 };
    // Means far from zero, where a careless variance fails.
    const x = matrixOf(next, rows, depth).map((row, r) => row.map((value) => Math.fround(value + 30 * ((r % 3) - 1))));
    const bias = Float32Array.from(vectorOf(next, 3 * depth));
    const source = Float32Array.from(matrixOf(next, depth, 3 * depth).flat());
    foldNorm(source, bias, Float32Array.from(norm.gain), Float32Array.from(norm.shift));
    const { matrix, tensors } = weightsOf(unpadded(source, depth, 3 * depth, 3 * depth), weights);
    const headWidth = depth / heads;
    const stride = quadsOf(headWidth) * QUAD;
    const slots = Array.from({ length: rows }, (_, r) => (5 * r + 3) % (5 * rows));
    const empty = () => new Float32Array(5 * rows * heads * stride);
    const { queries, keys, values } = await runBoth({
      kernel: queryKeyValueKernel,
      shape: { depth, columns: 3 * depth, weights, epsilon: norm.epsilon, heads, headWidth },
      rows,
      tensors: {
        batch: batchOf(slots.map((slot) => [0, 0, slot, 0])),
        x: rowsOf(x, paddedWidth(depth)),
        ...tensors,
        bias: padded([...bias]),
        queries: empty(),
        keys: empty(),
        values: empty(),
      },
    });
    const plain = { ...norm, gain: norm.gain.map(() => 1), shift: norm.shift.map(() => 0) };
    const expected = x.map((row) => plainProduct(plainNorm(row, plain), matrix, [...bias]));
    const rowAt = (from: Float32Array, place: number) =>
      Array.from({ length: depth }, (_, i) => {
        const [head, lane] = [Math.floor(i / headWidth), i % headWidth];
        return from[(place * heads + head) * stride + lane]!;
      });
    // The mean was taken off numbers of size 30: that many bits are gone.
    for (const [part, [from, places]] of [
      [queries!, slots.map((_, r) => r)] as const,
      [keys!, slots] as const,
      [values!, slots] as const,
    ].entries()) {
      const parts = expected.map((row) => row.slice(part * depth, (part + 1) * depth));
      expectClose(
        places.map((place) => rowAt(from, place)),
        parts,
        2e-4,
      );
    }
    expect(keys!.filter((value) => value !== 0).length, 'slots of others stay empty').toBeLessThanOrEqual(rows * depth);
  });

  it.each([
    { rows: 1, width: 3, vocabulary: 1 },
    { rows: 6, width: 50, vocabulary: 29 },
    { rows: 3, width: 300, vocabulary: 8 },
  ])('embeddings: $rows rows of $width', async ({ rows, width, vocabulary }) => {
    const next = numbers(200 + rows);
    const wte = matrixOf(next, vocabulary, width);
    const transposed = wte[0]!.map((_, i) => wte.map((row) => row[i]!));
    const { matrix, tensors } = weightsOf(transposed, weights, 'wte');
    const wpe = matrixOf(next, 10, width);
    const entries = Array.from({ length: rows }, (_, r) => [(r * 13) % vocabulary, (r * 7) % 10, 0, 0] as const);
    const positions = rowsOf(wpe, quadsOf(width) * QUAD);
    const out = new Float32Array(rows * paddedWidth(width));
    const all = { batch: batchOf(entries), ...tensors, wpe: positions, out };
    const shape = { width, weights };
    const result = await runKernel(runtime, { kernel: embedKernel, shape, rows, rowsPerGroup: 1, tensors: all });
    const expected = entries.map(([token, position]) => matrix.map((row, i) => row[token]! + wpe[position]![i]!));
    expectClose(unpadded(result.out!, rows, paddedWidth(width), width), expected);
  });
});

it.each([
  { rows: 5, width: 1 },
  { rows: 4, width: 21 },
  { rows: 9, width: 515 },
])('layer norm: rows of $width, some of $rows selected', async ({ rows, width }) => {
  const next = numbers(300 + rows);
  const norm = { gain: vectorOf(next, width), shift: vectorOf(next, width), epsilon: 1e-3 };
  const x = matrixOf(next, rows, width);
  const selection = [rows - 1, 0, 2];
  const { out } = await runKernel(runtime, {
    kernel: layerNormKernel,
    shape: { width, epsilon: norm.epsilon },
    rows: selection.length,
    rowsPerGroup: 1,
    tensors: {
      batch: rowsOnly(rows),
      selection: Int32Array.from(selection),
      x: rowsOf(x, paddedWidth(width)),
      gain: padded(norm.gain),
      bias: padded(norm.shift),
      out: new Float32Array(selection.length * paddedWidth(width)),
    },
  });
  expectClose(
    unpadded(out!, selection.length, paddedWidth(width), width),
    selection.map((row) => plainNorm(x[row]!, norm)),
  );
});

describe('attention', () => {
  const heads = 3;

  /** Several sequences, their blocks strewn over a cache, one row each at its end; and the same in plain arrays. */
  function ragged(lengths: readonly number[], headWidth: number, blockSize: number) {
    const next = numbers(400 + headWidth + blockSize);
    const width = heads * headWidth;
    const stride = quadsOf(headWidth) * QUAD;
    const tableWidth = Math.ceil(Math.max(...lengths) / blockSize);
    const blocks = lengths.length * tableWidth;
    const order = numbers(700);
    const tables = Int32Array.from(
      Array.from({ length: blocks }, (_, block) => ({ block, key: order() }))
        .sort((a, b) => a.key - b.key)
        .map(({ block }) => block),
    );
    const spread = (row: readonly number[], into: Float32Array, place: number) => {
      for (const [i, value] of row.entries())
        into[(place * heads + Math.floor(i / headWidth)) * stride + (i % headWidth)] = value;
    };
    const queries = new Float32Array(lengths.length * heads * stride);
    const keys = new Float32Array(blocks * blockSize * heads * stride);
    const values = new Float32Array(keys.length);
    const pasts = lengths.map((length, s) => {
      const past = {
        query: vectorOf(next, width),
        keys: matrixOf(next, length, width),
        values: matrixOf(next, length, width),
      };
      spread(past.query, queries, s);
      for (let p = 0; p < length; p++) {
        const place = tables[s * tableWidth + Math.floor(p / blockSize)]! * blockSize + (p % blockSize);
        spread(past.keys[p]!, keys, place);
        spread(past.values[p]!, values, place);
      }
      return past;
    });
    const batch = batchOf(lengths.map((length, s) => [0, length - 1, 0, s * tableWidth]));
    return { pasts, tensors: { batch, tables, queries, keys, values } };
  }

  async function attend(lengths: readonly number[], headWidth: number, blockSize: number, scale: number) {
    const { pasts, tensors } = ragged(lengths, headWidth, blockSize);
    const outStride = paddedWidth(heads * headWidth);
    const shape: AttentionShape = { heads, headWidth, blockSize, scale, outStride };
    const out = new Float32Array(lengths.length * outStride);
    const run = { kernel: attentionKernel, shape, rows: lengths.length, rowsPerGroup: 1, tensors: { ...tensors, out } };
    const result = await runKernel(runtime, run);
    const head = (row: readonly number[], h: number) => row.slice(h * headWidth, (h + 1) * headWidth);
    const expected = pasts.map(({ query, keys, values }) =>
      Array.from({ length: heads }, (_, h) =>
        plainAttention(
          head(query, h),
          keys.map((row) => head(row, h)),
          values.map((row) => head(row, h)),
          scale,
        ),
      ).flat(),
    );
    return { actual: unpadded(result.out!, lengths.length, outStride, heads * headWidth), expected };
  }

  it.each([
    { lengths: [1], headWidth: 1, blockSize: 1 },
    { lengths: [1, 63, 64, 65], headWidth: 7, blockSize: 3 },
    { lengths: [200, 5, 129, 64, 1, 90], headWidth: 20, blockSize: 16 },
    { lengths: [70, 3], headWidth: 64, blockSize: 16 },
    { lengths: [66], headWidth: 256, blockSize: 300 },
  ])('over pasts of $lengths, heads of $headWidth, blocks of $blockSize', async ({ lengths, headWidth, blockSize }) => {
    // Sharp enough that some weights vanish.
    const { actual, expected } = await attend(lengths, headWidth, blockSize, 4 / Math.sqrt(headWidth));
    expectClose(actual, expected);
  });

  it('scores far apart give numbers', async () => {
    const { actual, expected } = await attend([3, 100, 130], 8, 4, 3000);
    expectClose(actual, expected, 1e-3);
  });
});

it('folding a layer norm into the product behind it changes nothing but rounding', () => {
  const next = numbers(500);
  const norm = { gain: vectorOf(next, 13), shift: vectorOf(next, 13), epsilon: 1e-5 };
  const weight = matrixOf(next, 13, 6);
  const bias = vectorOf(next, 6);
  const [row] = matrixOf(next, 1, 13) as [number[]];
  const folded = Float32Array.from(weight.flat());
  const foldedBias = Float32Array.from(bias);
  foldNorm(folded, foldedBias, Float32Array.from(norm.gain), Float32Array.from(norm.shift));
  const plain = plainNorm(row, { ...norm, gain: norm.gain.map(() => 1), shift: norm.shift.map(() => 0) });
  expectClose(
    [plainProduct(plain, unpadded(folded, 13, 6, 6), [...foldedBias])],
    [plainProduct(plainNorm(row, norm), weight, bias)],
    1e-6,
  );
});

it('an embedding matrix packs as its transpose does', () => {
  const next = numbers(600);
  const rows = matrixOf(next, 11, 5);
  const transposed = rows[0]!.map((_, i) => rows.map((row) => row[i]!));
  expect(packFloats(embedding(Float32Array.from(rows.flat()), 5, 11))).toEqual(
    packFloats(conv1d(Float32Array.from(transposed.flat()), 5, 11)),
  );
});
