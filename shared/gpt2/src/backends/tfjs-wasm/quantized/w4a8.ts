/**
 * 4-bit weights for 8-bit activations (w4a8): w ≈ scale · groupScale · q with q from -8 to 7, a whole groupScale from 0 to 255 for every 32 inputs of a
 * column, and one float scale per column. Group scales are integers so that a whole column's sum of products stays an exact integer. Packed as
 * [ceil(n_out / 8)][paddedDepth / 32][4][8][4] bytes q + 8: the low half of a byte holds inputs 0 to 15 of the group, the high half 16 to 31; group scales
 * [ceil(n_out / 8)][paddedDepth / 32][8]. Only IEEE 754 operations that every machine rounds alike.
 */
import type { MatrixSource } from './quantize.ts';

/** Inputs that share an integer scale. */
export const GROUP_DEPTH = 32;

const PANEL = 8;
const MAX_GROUP_SCALE = 255;
const PANEL_GROUP_BYTES = (PANEL * GROUP_DEPTH) / 2;
/** A group's largest magnitude becomes one of these, whichever leaves the least squared error. */
const LARGEST_BECOMES = [5.5, 6, 6.5, 7, 7.25, 7.5, 7.75, 8, 8.5, 9];

export interface PackedW4 {
  readonly weight: Uint8Array;
  readonly scales: Float32Array;
  readonly groupScales: Uint8Array;
}

const clamp4 = (value: number) => (value < -8 ? -8 : value > 7 ? 7 : value);

function squaredError(values: Float64Array, step: number): number {
  let error = 0;
  const inverse = 1 / step;
  for (let i = 0; i < GROUP_DEPTH; i++) {
    const value = values[i]!;
    const difference = value - step * clamp4(Math.round(value * inverse));
    error += difference * difference;
  }
  return error;
}

/** The step between two weights that suits a group best; 0 for a group of zeros. */
function bestStep(values: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < GROUP_DEPTH; i++) largest = Math.max(largest, Math.abs(values[i]!));
  if (largest === 0) return 0;
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const divisor of LARGEST_BECOMES) {
    const step = largest / divisor;
    const error = squaredError(values, step);
    if (error < least) [best, least] = [step, error];
  }
  return best;
}

/** One column's groups: floats of its inputs, zero beyond its depth. */
class Column {
  readonly values: readonly Float64Array[];

  constructor({ values, inputStride, outputStride, depth }: MatrixSource, column: number, groups: number) {
    this.values = Array.from({ length: groups }, (_, group) => {
      const own = new Float64Array(GROUP_DEPTH);
      const end = Math.min(depth - group * GROUP_DEPTH, GROUP_DEPTH);
      const start = group * GROUP_DEPTH * inputStride + column * outputStride;
      for (let i = 0; i < end; i++) own[i] = values[start + i * inputStride]!;
      return own;
    });
  }
}

/** Writes one group of one column: a lane of the panel. */
function packGroup(values: Float64Array, step: number, to: Uint8Array, at: number): void {
  const inverse = step > 0 ? 1 / step : 0;
  const half = GROUP_DEPTH / 2;
  for (let i = 0; i < half; i++) {
    const low = clamp4(Math.round(values[i]! * inverse)) + 8;
    const high = clamp4(Math.round(values[i + half]! * inverse)) + 8;
    to[at + (i >> 2) * 4 * PANEL + (i & 3)] = low | (high << 4);
  }
}

/** @param to zeroed memory of the matrix' padded size */
export function quantizeW4(source: MatrixSource, to: PackedW4): void {
  const groups = Math.ceil(source.depth / GROUP_DEPTH);
  for (let column = 0; column < source.columns; column++) {
    const { values } = new Column(source, column, groups);
    const steps = values.map(bestStep);
    const scale = Math.fround(Math.max(...steps) / MAX_GROUP_SCALE);
    to.scales[column] = scale;
    const lane = column % PANEL;
    const first = Math.floor(column / PANEL) * groups;
    for (let group = 0; group < groups; group++) {
      const groupScale = scale > 0 ? Math.min(MAX_GROUP_SCALE, Math.round(steps[group]! / scale)) : 0;
      to.groupScales[(first + group) * PANEL + lane] = groupScale;
      packGroup(values[group]!, groupScale * scale, to.weight, (first + group) * PANEL_GROUP_BYTES + lane * 4);
    }
  }
}
