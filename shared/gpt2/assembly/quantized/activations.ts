/**
 * Activations as 12-bit integers: a row x becomes q = round(x / s) with s = max|x| / 2047, so x ≈ s·q. Rows go in groups of
 * four (the last group holds what is left): [group][depth / 4][rows of the group][4] i16, the order in which a tile of
 * linear.ts reads them, zero beyond the depth. 12 bits is the most that cannot overflow: 8256 · 127 · 2047 < 2^31.
 */
import { multiplyAdd, splat } from '../vector-math';

export const LIMIT: f32 = 2047;
/** Rows of a full group. */
export const GROUP: i32 = 4;

/** Lanes 0 … count-1 set. */
@inline
export function laneMask(count: i32): v128 {
  return i32x4.gt_s(i32x4.splat(count), i32x4(0, 1, 2, 3));
}

/** Four floats, those from `count` on as zero. Reads 16 bytes whatever the count: rows end before readable memory does. */
@inline
export function loadQuad(at: usize, count: i32): v128 {
  const quad = v128.load(at);
  return count >= 4 ? quad : v128.and(quad, laneMask(count));
}

@inline
export function largestLane(v: v128): f32 {
  const pairs = f32x4.max(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Largest magnitude among `count` floats. */
export function largestMagnitude(x: usize, count: i32): f32 {
  let largest = splat(0);
  for (; count > 0; count -= 4) {
    largest = f32x4.max(largest, f32x4.abs(loadQuad(x, count)));
    x += 16;
  }
  return largestLane(largest);
}

/** What to multiply by so that the largest magnitude becomes `limit`; 0 for a row of zeros. */
@inline
export function inverseScale(largest: f32, limit: f32): f32 {
  return largest > 0 ? limit / largest : 0;
}

/** Four values times `inverse`, rounded to the nearest (ties to even), as i32. */
@inline
export function quantizeQuad(values: v128, inverse: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(values, inverse)));
}

/** Address of the first quad of row r, and the distance between its quads in bytes. */
@inline
export function rowAt(integers: usize, row: i32, paddedDepth: i32): usize {
  return integers + <usize>(row & ~3) * (<usize>paddedDepth << 1) + (<usize>(row & 3) << 3);
}

@inline
export function quadStride(rows: i32, row: i32): usize {
  return <usize>min(GROUP, rows - (row & ~3)) << 3;
}

/** Quantises `depth` floats to one row of the activations and returns its scale. */
export function quantizeRow(x: usize, depth: i32, to: usize, stride: usize): f32 {
  const largest = largestMagnitude(x, depth);
  const inverse = splat(inverseScale(largest, LIMIT));
  for (let left = depth; left > 0; left -= 4) {
    const integers = quantizeQuad(loadQuad(x, left), inverse);
    v128.store64_lane(to, i16x8.narrow_i32x4_s(integers, integers), 0);
    x += 16;
    to += stride;
  }
  return largest / LIMIT;
}

/** y = (x - mean) / √(variance + ε) · gain + bias over `width` floats (Ba et al. 2016). Writes up to 3 floats too many. */
export function normalizeRow(x: usize, gain: usize, bias: usize, epsilon: f32, width: i32, y: usize): void {
  let sums = splat(0);
  for (let i = 0; i < width; i += 4) sums = f32x4.add(sums, loadQuad(x + (<usize>i << 2), width - i));
  const mean: f32 = sumLanes(sums) / <f32>width;
  const means = splat(mean);
  let squares = splat(0);
  for (let i = 0; i < width; i += 4) {
    let d = f32x4.sub(v128.load(x + (<usize>i << 2)), means);
    if (width - i < 4) d = v128.and(d, laneMask(width - i));
    squares = multiplyAdd(d, d, squares);
  }
  const factor = splat(<f32>1 / sqrt<f32>(sumLanes(squares) / <f32>width + epsilon));
  for (let i = 0; i < width; i += 4) {
    const at = <usize>i << 2;
    const normal = f32x4.mul(f32x4.sub(v128.load(x + at), means), factor);
    v128.store(y + at, multiplyAdd(normal, v128.load(gain + at), v128.load(bias + at)));
  }
}

@inline
function sumLanes(v: v128): f32 {
  const folded = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(folded, 0) + f32x4.extract_lane(folded, 1);
}
