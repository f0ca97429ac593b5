/**
 * exp() for softmax over a whole vocabulary: several times faster than Math.exp, and built only from IEEE-754
 * multiplications and additions, so the same bits come out on every machine and engine.
 * Range reduction x = n·ln2 + r with ln2 in two parts (Cody and Waite, 1980), then a Taylor polynomial on |r| <= ln2/2.
 */

const LOG2E = Math.LOG2E;
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
/** Adding and subtracting 1.5·2^52 rounds a small double to the nearest integer. */
const ROUNDER = 6755399441055744;

/** Below this the result is treated as exactly 0: e^-700 is 10^-304, beyond any probability that could be drawn. */
const UNDERFLOW = -700;

const POWERS_OF_TWO = new Float64Array(1025);
for (let n = 0; n <= 1024; n++) POWERS_OF_TWO[n] = 2 ** -n;

/**
 * e^x for x <= 0, within 4 units in the last place; exactly 1 at 0 and exactly 0 below -700.
 * Callers subtract the largest logit first, so x is never positive.
 */
export function expNonPositive(x: number): number {
  if (!(x >= UNDERFLOW)) return 0;
  const n = x * LOG2E + ROUNDER - ROUNDER;
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  const r2 = r * r;
  // Even and odd Taylor terms apart: two short dependency chains instead of one long one.
  const even =
    1 + r2 * (1 / 2 + r2 * (1 / 24 + r2 * (1 / 720 + r2 * (1 / 40320 + r2 * (1 / 3628800 + r2 * (1 / 479001600))))));
  const odd = r * (1 + r2 * (1 / 6 + r2 * (1 / 120 + r2 * (1 / 5040 + r2 * (1 / 362880 + r2 * (1 / 39916800))))));
  return (even + odd) * POWERS_OF_TWO[-n]!;
}
