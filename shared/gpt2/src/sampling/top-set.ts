/**
 * Finds the best tokens of a vocabulary without sorting it: a radix search over the bit patterns of the logits for the
 * value at which a running total (a count for top-k, probability mass for top-p) reaches its target.
 * Guarantees the exact set a full sort (larger value first, then lower id) would give, in three linear passes at most over
 * what a quick look at the whole row leaves.
 */
import type { VocabularyRow } from './vocabulary-row.ts';

/** The kept set: every value above `value`, and of those equal to it the `ties` ones with the lowest ids. */
export interface TopSet {
  readonly value: number;
  readonly ties: number;
}

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const SHIFTS = [21, 10, 0] as const;

const bits = new DataView(new ArrayBuffer(4));

/** Maps a float's bits to an unsigned integer that orders as the floats do; -0 counts as 0. */
function orderedKey(pattern: number): number {
  if (pattern === 0x80000000) return 0x80000000;
  return (pattern & 0x80000000 ? ~pattern : pattern | 0x80000000) >>> 0;
}

function valueOfKey(key: number): number {
  bits.setUint32(0, key & 0x80000000 ? key & 0x7fffffff : ~key >>> 0);
  return bits.getFloat32(0);
}

/** Reusable working memory; one finder serves any vocabulary size. */
export class TopSetFinder {
  readonly #totals = new Float64Array(DIGITS);
  #ids = new Int32Array(0);

  /**
   * The `target` largest values.
   * @param row NaN must not occur
   * @param target from 1 to n
   */
  findCount(row: VocabularyRow, target: number): TopSet {
    const maxima = row.partMaxima();
    // So many parts hold a value that is no less, each another one.
    const least = target > maxima.length ? -Infinity : this.#find(maxima, null, this.#idsOf(maxima), target).value;
    return this.#find(row.values, null, row.idsWithValue(least), target);
  }

  /**
   * The smallest prefix, in order of value then id, that holds `share` of the weight.
   * @param row weighed: `total` in all, larger for larger values; NaN must not occur
   * @param share above 0, below 1
   */
  findShare(row: VocabularyRow, total: number, share: number): TopSet {
    // All ids lighter than this together weigh less than what may be left out, so none of them is needed. (Halved
    // because the sums are rounded.)
    const lightest = (0.5 * (1 - share) * total) / row.values.length;
    return this.#find(row.values, row.weights, row.idsWithWeight(lightest), share * total);
  }

  #idsOf({ length }: Float32Array): Int32Array {
    if (this.#ids.length !== length) this.#ids = new Int32Array(length);
    const ids = this.#ids;
    for (let id = 0; id < length; id++) ids[id] = id;
    return ids;
  }

  /** Narrows the candidates, in order and to be overwritten, digit by digit to those with the value at which the total is reached. */
  #find(values: Float32Array, weights: Float64Array | null, candidates: Int32Array, target: number): TopSet {
    const patterns = new Uint32Array(values.buffer, values.byteOffset, values.length);
    let count = candidates.length;
    let prefix = 0;
    let remaining = target;
    for (const shift of SHIFTS) {
      const mask = shift === 0 ? 0x3ff : DIGITS - 1;
      this.#addUp(patterns, weights, candidates.subarray(0, count), shift, mask);
      const { digit, above } = crossing(this.#totals, remaining);
      remaining -= above;
      prefix = (prefix | (digit << shift)) >>> 0;
      let kept = 0;
      for (let c = 0; c < count; c++) {
        const id = candidates[c]!;
        if (((orderedKey(patterns[id]!) >>> shift) & mask) === digit) candidates[kept++] = id;
      }
      count = kept;
    }
    return { value: valueOfKey(prefix), ties: tiesOf(candidates.subarray(0, count), weights, remaining) };
  }

  /** The total of each digit's candidates; -1 for a digit no candidate has. */
  #addUp(
    patterns: Uint32Array,
    weights: Float64Array | null,
    candidates: Int32Array,
    shift: number,
    mask: number,
  ): void {
    const totals = this.#totals.fill(-1);
    const count = candidates.length;
    for (let c = 0; c < count; c++) {
      const id = candidates[c]!;
      const digit = (orderedKey(patterns[id]!) >>> shift) & mask;
      totals[digit] = Math.max(totals[digit]!, 0) + (weights === null ? 1 : weights[id]!);
    }
  }
}

/** How many candidates, in order of id, it takes to reach `target`. All have the same value by now. */
function tiesOf(candidates: Int32Array, weights: Float64Array | null, target: number): number {
  let ties = 0;
  for (let total = 0; ties < candidates.length && total < target; ties++) {
    total += weights === null ? 1 : weights[candidates[ties]!]!;
  }
  return ties;
}

/** The digit in which the total, counted from the top digit down, reaches `target`, or the lowest that occurs. */
function crossing(totals: Float64Array, target: number): { digit: number; above: number } {
  let above = 0;
  let last = { digit: 0, above: 0 };
  for (let digit = totals.length - 1; digit >= 0; digit--) {
    const total = totals[digit]!;
    if (total < 0) continue;
    last = { digit, above };
    above += total;
    if (above >= target) break;
  }
  return last;
}
