/**
 * exp() for softmax over a whole vocabulary: several times faster than Math.exp, and built only from IEEE-754
 * multiplications and additions, so the same bits come out on every machine and engine.
 * Range reduction x = r - i·ln2/64 with ln2/64 in two parts (Cody and Waite, 1980; table as in Tang 1989), then a
 * Taylor polynomial on |r| <= ln2/128. This is the definition; the passes over a vocabulary (assembly/sampling) do the
 * same for two logits at a time, with this table.
 */

const STEPS = 64;
const STEPS_PER_UNIT = STEPS / Math.LN2;
/** ln2/64, the high part with enough trailing zeros that its products with i are exact. */
const STEP_HIGH = 0.6931471803691238 / STEPS;
const STEP_LOW = 1.9082149292705877e-10 / STEPS;

/** Below this the result is exactly 0: e^-700 is 10^-304, beyond any probability that could be drawn. */
const UNDERFLOW = -700;

/** 2^-(i/64), i = 0 … 63, from square roots and products, which IEEE-754 rounds the same everywhere. */
export const FRACTIONS = new Float64Array(STEPS).fill(1);
for (let bit = STEPS / 2, root = Math.SQRT1_2; bit >= 1; bit /= 2, root = Math.sqrt(root)) {
  for (let i = 0; i < STEPS; i++) if (i & bit) FRACTIONS[i]! *= root;
}

/** 2^-n. */
const POWERS = new Float64Array(1024).fill(1);
for (let n = 1; n < POWERS.length; n++) POWERS[n] = POWERS[n - 1]! / 2;

/**
 * e^x for x <= 0, within 8 units in the last place; exactly 1 at 0 and exactly 0 below -700.
 * Callers subtract the largest logit first, so x is never positive.
 */
export function expNonPositive(x: number): number {
  if (!(x >= UNDERFLOW)) return 0;
  const i = (0.5 - x * STEPS_PER_UNIT) | 0;
  const r = x + i * STEP_HIGH + i * STEP_LOW;
  const p = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120)))));
  return p * FRACTIONS[i & (STEPS - 1)]! * POWERS[i >> 6]!;
}
