/** How far two samples lie apart, by ranks alone: outliers of a busy machine count no more than their place in line. */

/**
 * The probability that a value of `a` is larger than one of `b`, ties by halves: 0.5 when both are of one distribution, 0 or 1 when they don't
 * overlap. It is the Mann-Whitney U divided by the number of pairs (Mann and Whitney 1947).
 */
export function shareLarger(a: readonly number[], b: readonly number[]): number {
  let larger = 0;
  for (const x of a) for (const y of b) larger += x > y ? 1 : x === y ? 0.5 : 0;
  return larger / (a.length * b.length);
}

/** Standard deviation of `shareLarger` for two samples of n values of one distribution. */
export function spreadOfShare(n: number): number {
  return Math.sqrt((2 * n + 1) / (12 * n * n));
}
