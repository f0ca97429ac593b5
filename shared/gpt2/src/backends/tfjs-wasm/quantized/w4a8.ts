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
const LARGEST_BECOMES = [6, 6.5, 7, 7.5, 8, 8.5];

export interface PackedW4 {
  readonly weight: Uint8Array;
  readonly scales: Float32Array;
  readonly groupScales: Uint8Array;
}

const clamp4 = (value: number) => Math.min(7, Math.max(-8, value));

/** Σ of the squared errors of the group that begins at `start`. */
function squaredError(values: Float64Array, start: number, step: number): number {
  let error = 0;
  const inverse = 1 / step;
  for (let i = start; i < start + GROUP_DEPTH; i++) {
    const exact = values[i]! * inverse;
    const difference = exact - clamp4(Math.round(exact));
    error += difference * difference;
  }
  return error * step * step;
}

/** The step between two weights that suits a group best; 0 for a group of zeros. */
function bestStep(values: Float64Array, start: number): number {
  let largest = 0;
  for (let i = start; i < start + GROUP_DEPTH; i++) largest = Math.max(largest, Math.abs(values[i]!));
  if (largest === 0) return 0;
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const divisor of LARGEST_BECOMES) {
    const step = largest / divisor;
    const error = squaredError(values, start, step);
    if (error < least) {
      best = step;
      least = error;
    }
  }
  return best;
}

/** Writes one group of one column: a lane of the panel. */
function packGroup(values: Float64Array, start: number, step: number, to: Uint8Array, at: number): void {
  const inverse = step > 0 ? 1 / step : 0;
  const half = GROUP_DEPTH / 2;
  for (let i = 0; i < half; i++) {
    const low = clamp4(Math.round(values[start + i]! * inverse)) + 8;
    const high = clamp4(Math.round(values[start + i + half]! * inverse)) + 8;
    to[at + (i >> 2) * 4 * PANEL + (i & 3)] = low | (high << 4);
  }
}

/** One column, padded with zeros to whole groups. */
function packColumn(values: Float64Array, column: number, to: PackedW4): void {
  const groups = values.length / GROUP_DEPTH;
  const steps = Float64Array.from({ length: groups }, (_, group) => bestStep(values, group * GROUP_DEPTH));
  const scale = Math.fround(steps.reduce((most, step) => Math.max(most, step), 0) / MAX_GROUP_SCALE);
  to.scales[column] = scale;
  const lane = column % PANEL;
  const first = Math.floor(column / PANEL) * groups;
  for (let group = 0; group < groups; group++) {
    const groupScale = scale > 0 ? Math.min(MAX_GROUP_SCALE, Math.round(steps[group]! / scale)) : 0;
    const at = first + group;
    to.groupScales[at * PANEL + lane] = groupScale;
    packGroup(values, group * GROUP_DEPTH, groupScale * scale, to.weight, at * PANEL_GROUP_BYTES + lane * 4);
  }
}

/** @param to zeroed memory of the matrix' padded size */
export function quantizeW4({ values, inputStride, outputStride, depth, columns }: MatrixSource, to: PackedW4): void {
  const padded = Math.ceil(depth / GROUP_DEPTH) * GROUP_DEPTH;
  // A panel at a time: neighbouring columns share cache lines.
  const panel = Array.from({ length: PANEL }, () => new Float64Array(padded));
  for (let start = 0; start < columns; start += PANEL) {
    const width = Math.min(PANEL, columns - start);
    for (let i = 0; i < depth; i++) {
      const from = i * inputStride + start * outputStride;
      for (let c = 0; c < width; c++) panel[c]![i] = values[from + c * outputStride]!;
    }
    for (let c = 0; c < width; c++) packColumn(panel[c]!, start + c, to);
  }
}
