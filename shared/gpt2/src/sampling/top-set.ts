/**
 * Finds the best tokens of a vocabulary without sorting it: a radix search over the bit patterns of the logits for the
 * value at which a running total (a count for top-k, probability mass for top-p) reaches its target.
 * Guarantees the exact set a full sort (larger value first, then lower id) would give, in three linear passes at most.
 */

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

/** Reusable working memory for one vocabulary size. */
export class TopSetFinder {
  readonly #totals = new Float64Array(DIGITS);

  /**
   * @param values [n] logits; NaN must not occur
   * @param weights [n] what each id adds to the running total, not negative; null counts 1 for each
   * @param target the total to reach; must be positive
   * @returns the smallest prefix, in order of value then id, whose total is at least `target`, or all of it
   */
  find(values: Float32Array, weights: Float64Array | null, target: number): TopSet {
    const patterns = new Uint32Array(values.buffer, values.byteOffset, values.length);
    let prefix = 0;
    let remaining = target;
    for (const shift of SHIFTS) {
      const digit = this.#crossing(patterns, weights, prefix, shift, remaining);
      remaining -= digit.above;
      prefix = (prefix | (digit.digit << shift)) >>> 0;
    }
    return { value: valueOfKey(prefix), ties: this.#ties(patterns, weights, prefix, remaining) };
  }

  /** The digit, among keys that share `prefix` above it, in which the total counted from the top reaches `target`. */
  #crossing(
    patterns: Uint32Array,
    weights: Float64Array | null,
    prefix: number,
    shift: number,
    target: number,
  ): { digit: number; above: number } {
    const totals = this.#totals.fill(0);
    const fixed = shift === 21 ? 0 : shift === 10 ? 0xffe00000 : 0xfffffc00;
    const width = shift === 0 ? 10 : DIGIT_BITS;
    const mask = (1 << width) - 1;
    let lowest = DIGITS;
    for (let i = 0; i < patterns.length; i++) {
      const key = orderedKey(patterns[i]!);
      if (((key ^ prefix) & fixed) !== 0) continue;
      const digit = (key >>> shift) & mask;
      if (digit < lowest) lowest = digit;
      totals[digit]! += weights === null ? 1 : weights[i]!;
    }
    let above = 0;
    let digit = mask;
    for (; digit > lowest; digit--) {
      const next = above + totals[digit]!;
      if (next >= target) break;
      above = next;
    }
    return { digit, above };
  }

  #ties(patterns: Uint32Array, weights: Float64Array | null, key: number, target: number): number {
    let ties = 0;
    let total = 0;
    for (let i = 0; i < patterns.length && total < target; i++) {
      if (orderedKey(patterns[i]!) !== key) continue;
      total += weights === null ? 1 : weights[i]!;
      ties++;
    }
    return ties;
  }
}
