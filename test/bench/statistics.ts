/** Order statistics for measurements. */

/** The p-quantile (0…1) by the nearest-rank method; NaN for no values. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? Number.NaN;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Rounds to `digits` significant digits, for reading. */
export const rounded = (value: number, digits = 3): number => Number(value.toPrecision(digits));

export interface Latency {
  p50: number;
  p99: number;
}

/** Milliseconds, rounded. */
export const latency = (values: readonly number[]): Latency => ({
  p50: rounded(quantile(values, 0.5)),
  p99: rounded(quantile(values, 0.99)),
});
