/**
 * Rounds weight matrices to 4 bits with a half-precision scale for every 32 inputs of a column, w ≈ scale · q with q from -8 to 7, and packs them as
 * assembly/quantized/groups.ts reads them: per panel of eight columns a run of groups of 144 bytes. Of some scales around the one that maps the largest
 * weight to the end of the range, the one with the least squared error is taken. Only IEEE 754 operations that every machine rounds alike.
 */
import { ModelError } from '../../../errors.ts';
import { halfOf, widenHalf } from '../../../safetensors/float-conversion.ts';
import type { MatrixSource } from './quantize.ts';

export const GROUP_INPUTS = 32;
export const GROUP_BYTES = 144;
const PANEL = 8;
const LEAST = -8;
const MOST = 7;
/** What the largest weight of a group is mapped to, tried in this order. */
const ENDS = [-8, -7.5, -8.5, 7] as const;

const round = (weight: number, inverse: number) => Math.min(MOST, Math.max(LEAST, Math.round(weight * inverse)));

function squaredError(weights: Float32Array, scale: number): number {
  const inverse = scale === 0 ? 0 : 1 / scale;
  let sum = 0;
  for (const weight of weights) sum += (round(weight, inverse) * scale - weight) ** 2;
  return sum;
}

/** The bits of the best scale of a group. */
function scaleOf(weights: Float32Array): number {
  let largest = 0;
  for (const weight of weights) if (Math.abs(weight) > Math.abs(largest)) largest = weight;
  if (largest === 0) return 0;
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const end of ENDS) {
    const half = halfOf(largest / end);
    const error = squaredError(weights, widenHalf(half));
    if (error < least) {
      best = half;
      least = error;
    }
  }
  if (least === Number.POSITIVE_INFINITY)
    throw new ModelError(`int4: a weight of ${largest} has no scale in half precision`);
  return best;
}

function packColumn(weights: Float32Array, column: number, group: Uint8Array): void {
  const half = scaleOf(weights);
  const scale = widenHalf(half);
  const inverse = scale === 0 ? 0 : 1 / scale;
  for (let i = 0; i < GROUP_INPUTS / 2; i++) {
    const low = round(weights[i]!, inverse) - LEAST;
    const high = round(weights[i + GROUP_INPUTS / 2]!, inverse) - LEAST;
    group[(i >> 2) * 32 + column * 4 + (i & 3)] = low | (high << 4);
  }
  group[128 + 2 * column] = half & 0xff;
  group[129 + 2 * column] = half >> 8;
}

/** @param to zeroed memory, [ceil(columns / 8)][ceil(depth / 32)][144] */
export function quantizeToGroups(
  { values, inputStride, outputStride, depth, columns }: MatrixSource,
  to: Uint8Array,
): void {
  const groups = Math.ceil(depth / GROUP_INPUTS);
  const weights = Array.from({ length: PANEL }, () => new Float32Array(GROUP_INPUTS));
  for (let start = 0, at = 0; start < columns; start += PANEL) {
    const width = Math.min(PANEL, columns - start);
    for (let first = 0; first < groups * GROUP_INPUTS; first += GROUP_INPUTS, at += GROUP_BYTES) {
      for (let i = 0; i < GROUP_INPUTS; i++) {
        const from = (first + i) * inputStride + start * outputStride;
        for (let c = 0; c < width; c++) weights[c]![i] = first + i < depth ? values[from + c * outputStride]! : 0;
      }
      const group = to.subarray(at, at + GROUP_BYTES);
      for (let c = 0; c < width; c++) packColumn(weights[c]!, c, group);
    }
  }
}
