/**
 * A row of logits on its way to a token: the passes over the whole vocabulary, in WebAssembly (source in /assembly/sampling). Guarantees the
 * bits of plain code: weights are those of `expNonPositive`, and sums are doubles added up one by one in the order of ids. What is asked of a
 * row, and in which order, is the sampler's business.
 */
import { readFileSync } from 'node:fs';
import { FRACTIONS } from './exp.ts';
import type { TopSet } from './top-set.ts';

type Pointer = number;

interface SamplingKernels {
  readonly memory: WebAssembly.OwnMemory;
  largest(values: Pointer, count: number): number;
  firstAt(values: Pointer, count: number, value: number): number;
  weigh(
    values: Pointer,
    count: number,
    most: number,
    scale: number,
    least: number,
    lowest: number,
    fractions: Pointer,
    weights: Pointer,
    sums: Pointer,
  ): number;
  keepOnly(values: Pointer, count: number, value: number, ties: number, weights: Pointer, sums: Pointer): number;
  crossing(count: number, weights: Pointer, sums: Pointer, target: number): number;
  blockMaxima(values: Pointer, count: number, maxima: Pointer): void;
  collectValues(values: Pointer, count: number, least: number, ids: Pointer): number;
  collectWeights(weights: Pointer, count: number, least: number, ids: Pointer): number;
}

/** Where the parts of the memory begin. */
interface Layout {
  weights: Pointer;
  sums: Pointer;
  maxima: Pointer;
  ids: Pointer;
  end: Pointer;
}

/** Agrees with BLOCK in assembly/sampling/index.ts. */
const BLOCK = 16;
const PAGE_BYTES = 65_536;
/** The table of fractions comes first, then the row. */
const VALUES: Pointer = FRACTIONS.byteLength;
/** Logarithms are rounded: an exponent by so much lower gives less for certain. */
const LOG_MARGIN = 1e-6;

function instantiate(): SamplingKernels {
  const module = new WebAssembly.Module(new Uint8Array(readFileSync(new URL('sampling.wasm', import.meta.url))));
  return new WebAssembly.Instance(module).exports as unknown as SamplingKernels;
}

export class VocabularyRow {
  readonly #kernels = instantiate();
  /** Of the row and what pads it. */
  #count = 0;
  #values = new Float32Array(0);
  #weights = new Float64Array(0);
  #maxima = new Float32Array(0);
  #ids = new Int32Array(0);
  #at: Layout = layoutOf(0);

  constructor() {
    // Before the first row the memory is only a table.
    this.#reserve(0);
  }

  /** [n_vocab], to be changed at will before the row is looked at. */
  get values(): Float32Array {
    return this.#values;
  }

  /** [n_vocab], what `weigh` and `keepOnly` have left. */
  get weights(): Float64Array {
    return this.#weights;
  }

  load(logits: Float32Array): void {
    if (logits.length !== this.#values.length) this.#reserve(logits.length);
    this.#values.set(logits);
  }

  /** The largest value; NaN if there is one. */
  largest(): number {
    return this.#kernels.largest(VALUES, this.#count);
  }

  /** The lowest id with this value, which must occur. */
  firstAt(value: number): number {
    return this.#kernels.firstAt(VALUES, this.#count, value);
  }

  /**
   * Weighs each id e^((value - most) / temperature); nothing if that is less than `least`. Returns the sum.
   * @param most the largest value
   * @param temperature above 0
   * @param least from 0 to 1
   */
  weigh(most: number, temperature: number, least: number): number {
    // 1 / temperature may be infinite, and 0 times that no number.
    const scale = Math.min(1 / temperature, Number.MAX_VALUE);
    const lowest = Math.max(-700, Math.log(least) - LOG_MARGIN);
    const { weights, sums } = this.#at;
    return this.#kernels.weigh(VALUES, this.#count, most, scale, least, lowest, 0, weights, sums);
  }

  /** Takes all weight from what is outside the set. Returns the sum of the rest. */
  keepOnly({ value, ties }: TopSet): number {
    const { weights, sums } = this.#at;
    return this.#kernels.keepOnly(VALUES, this.#count, value, ties, weights, sums);
  }

  /** The id at which the running sum of weights, in the order of ids, first exceeds `target`. */
  crossing(target: number): number {
    const { weights, sums } = this.#at;
    return this.#kernels.crossing(this.#count, weights, sums, target);
  }

  /** The largest value of each of the parts that the row is cut into. Valid until the next row. */
  partMaxima(): Float32Array {
    this.#kernels.blockMaxima(VALUES, this.#count, this.#at.maxima);
    return this.#maxima;
  }

  /** Ids with at least this value, in order. Valid until the next call, and may be overwritten. */
  idsWithValue(least: number): Int32Array {
    const count = this.#kernels.collectValues(VALUES, this.#count, least, this.#at.ids);
    return this.#ids.subarray(0, Math.min(count, this.#values.length));
  }

  /** Ids with at least this weight, which is above 0, in order. Valid until the next call, and may be overwritten. */
  idsWithWeight(least: number): Int32Array {
    return this.#ids.subarray(0, this.#kernels.collectWeights(this.#at.weights, this.#count, least, this.#at.ids));
  }

  /** Lays out the memory for rows of another length. */
  #reserve(length: number): void {
    const { memory } = this.#kernels;
    this.#count = Math.ceil(length / BLOCK) * BLOCK;
    this.#at = layoutOf(this.#count);
    const { weights, maxima, ids, end } = this.#at;
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
    new Float64Array(memory.buffer, 0, FRACTIONS.length).set(FRACTIONS);
    new Float32Array(memory.buffer, VALUES, this.#count).fill(Number.NEGATIVE_INFINITY);
    this.#values = new Float32Array(memory.buffer, VALUES, length);
    this.#weights = new Float64Array(memory.buffer, weights, length);
    this.#maxima = new Float32Array(memory.buffer, maxima, this.#count / BLOCK);
    this.#ids = new Int32Array(memory.buffer, ids, this.#count);
  }
}

/** @param count of a row and what pads it */
function layoutOf(count: number): Layout {
  const weights = VALUES + 4 * count;
  const sums = weights + 8 * count;
  const maxima = sums + (8 * count) / BLOCK;
  const ids = maxima + (4 * count) / BLOCK;
  return { weights, sums, maxima, ids, end: ids + 4 * count };
}

let row: VocabularyRow | undefined;

/** The row that all share, holding these logits: sampling is synchronous, so no two ever use it at once. */
export function rowOf(logits: Float32Array): VocabularyRow {
  row ??= new VocabularyRow();
  row.load(logits);
  return row;
}
