/** What the compute kernels compute, in plain TypeScript and double precision: the reference they are tested against. Matrices are row-major and unpadded. */
import type { Activation } from '../config.ts';

/** [rows][columns] */
export type Matrix = readonly (readonly number[])[];

export interface PlainNorm {
  readonly gain: readonly number[];
  readonly shift: readonly number[];
  readonly epsilon: number;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const dot = (a: readonly number[], b: readonly number[]) => a.reduce((total, value, i) => total + value * b[i]!, 0);

export function plainNorm(row: readonly number[], { gain, shift, epsilon }: PlainNorm): number[] {
  const mean = sum(row) / row.length;
  const variance = sum(row.map((value) => (value - mean) ** 2)) / row.length;
  return row.map((value, i) => ((value - mean) / Math.sqrt(variance + epsilon)) * gain[i]! + shift[i]!);
}

/** x·W + b; weight [n_in][n_out] */
export function plainProduct(row: readonly number[], weight: Matrix, bias: readonly number[]): number[] {
  return bias.map((value, o) => value + sum(row.map((x, i) => x * weight[i]![o]!)));
}

/** erf by its Maclaurin series, and 1 where that no longer matters. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

export const PLAIN_ACTIVATIONS: Readonly<Record<Activation | 'none', (x: number) => number>> = {
  none: (x) => x,
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  gelu_erf: (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2)),
  relu: (x) => Math.max(0, x),
  silu: (x) => x / (1 + Math.exp(-x)),
  tanh: Math.tanh,
};

/** softmax(scale · q·Kᵀ)·V; query [width], keys and values [length][width] */
export function plainAttention(query: readonly number[], keys: Matrix, values: Matrix, scale: number): number[] {
  const scores = keys.map((key) => scale * dot(query, key));
  const best = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - best));
  const total = sum(weights);
  return query.map((_, d) => sum(weights.map((weight, p) => (weight / total) * values[p]![d]!)));
}
