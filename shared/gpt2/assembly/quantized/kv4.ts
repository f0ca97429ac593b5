/**
 * Keys and values in 4 bits. A head's vector is rotated (rotation.ts), then x ≈ (2n - 15) · s with n from 0 to 15 and one scale s
 * of 16 bits, the upper half of a float. A key may be stored as what it differs by from the first of its panel of eight
 * positions, where that is smaller: neighbours' keys are alike. The scale's sign then says so.
 * Nibbles go by fours into 16-bit words: word k of 16 channels holds channels k, 4 + k, 8 + k and 12 + k, the lowest bits first.
 */
import { splat } from '../vector-math';
import { largestMagnitude } from './activations';
import { Layer, Plan, pointer, Step, word } from './plan';
import { loadRotated } from './rotation';

/** Largest magnitude of 2n - 15. */
const ODD_LIMIT: f32 = 15;
/** What is smaller in all its channels is nothing: its scale's inverse could be infinite. */
const LEAST_MAGNITUDE: f32 = 1e-30;
const RELATIVE: u32 = 0x8000;

/** Four scales as stored, as words. */
@inline
export function scaleWords(at: usize): v128 {
  return i32x4.extend_low_i16x8_u(v128.load64_zero(at));
}

/** What such words say. */
@inline
export function scalesOf(words: v128): v128 {
  return i32x4.shl(v128.and(words, i32x4.splat(0x7fff)), 16);
}

@inline
function scaleOf(stored: u32): f32 {
  return reinterpret<f32>((stored & 0x7fff) << 16);
}

/** Rounded up, so that nothing lies beyond the limit. */
function storedScale(largest: f32): u32 {
  if (!(largest > LEAST_MAGNITUDE)) return 0;
  return (reinterpret<u32>(largest / ODD_LIMIT) + 0xffff) >> 16;
}

@inline
function nibbles(x: usize, inverse: v128): v128 {
  const shifted = f32x4.add(f32x4.mul(v128.load(x), inverse), splat(7.5));
  return v128.and(i32x4.trunc_sat_f32x4_s(f32x4.nearest(shifted)), i32x4.splat(15));
}

/** x [stride] to words [stride / 4]; returns the scale as stored. */
function pack4(x: usize, stride: i32, largest: f32, to: usize): u32 {
  const scale = storedScale(largest);
  const inverse = splat(scale == 0 ? 0 : <f32>0.5 / scaleOf(scale));
  for (const end = x + (<usize>stride << 2); x < end; x += 64) {
    const low = v128.or(nibbles(x, inverse), i32x4.shl(nibbles(x + 16, inverse), 4));
    const high = v128.or(i32x4.shl(nibbles(x + 32, inverse), 8), i32x4.shl(nibbles(x + 48, inverse), 12));
    const words = v128.or(low, high);
    v128.store64_lane(to, i16x8.narrow_i32x4_u(words, words), 0);
    to += 8;
  }
  return scale;
}

@inline
function subtractQuad(x: usize, words: v128, shift: i32, scale: v128, to: usize): void {
  const odd = i32x4.sub(i32x4.shl(v128.and(i32x4.shr_u(words, shift), i32x4.splat(15)), 1), i32x4.splat(15));
  v128.store(to, f32x4.sub(v128.load(x), f32x4.mul(f32x4.convert_i32x4_s(odd), scale)));
}

/** x minus the key that is stored first in its panel. */
function subtractFirst(x: usize, panel: usize, scale: f32, stride: i32, to: usize): void {
  const scales = splat(scale);
  for (const end = x + (<usize>stride << 2); x < end; x += 64) {
    const words = i32x4.extend_low_i16x8_u(v128.load64_zero(panel));
    subtractQuad(x, words, 0, scales, to);
    subtractQuad(x + 16, words, 4, scales, to + 16);
    subtractQuad(x + 32, words, 8, scales, to + 32);
    subtractQuad(x + 48, words, 12, scales, to + 48);
    panel += 64;
    to += 64;
  }
}

/**
 * keys[block][head][offset / 8][stride / 16][8][4] words (positions for columns, as a matrix' weights lie),
 * values[block][head][offset / 2][stride / 16][4][2] words (neighbouring positions side by side), scales
 * [block][head][offset]. qkv [rows, 3 * width]
 */
function storeHead4(plan: usize, step: usize, layer: usize, row: i32, head: i32, scratch: usize): void {
  const width = word(plan, Plan.WIDTH);
  const headWidth = word(plan, Plan.HEAD_WIDTH);
  const stride = word(plan, Plan.HEAD_STRIDE);
  const blockSize = word(plan, Plan.BLOCK_SIZE);
  const slot = load<i32>(pointer(step, Step.SLOTS) + (<usize>row << 2));
  const offset = slot % blockSize;
  const lane = <usize>(offset & 7);
  const place = <usize>((slot / blockSize) * word(plan, Plan.HEADS) + head) * <usize>blockSize + <usize>offset;
  const key = pointer(step, Step.QKV) + (<usize>(row * 3 + 1) * <usize>width + <usize>(head * headWidth) << 2);
  const difference = scratch + (<usize>stride << 2);
  const words = difference + (<usize>stride << 2);
  const keyScales = pointer(layer, Layer.KEY_SCALES);

  loadRotated(key, headWidth, stride, scratch);
  const panel = pointer(layer, Layer.KEYS) + (place - lane) * <usize>(stride >> 1);
  let largest = largestMagnitude(scratch, stride);
  let from = scratch;
  let relative: u32 = 0;
  if (lane != 0) {
    subtractFirst(scratch, panel, scaleOf(load<u16>(keyScales + (place - lane << 1))), stride, difference);
    const left = largestMagnitude(difference, stride);
    if (left < largest) {
      largest = left;
      from = difference;
      relative = RELATIVE;
    }
  }
  store<u16>(keyScales + (place << 1), <u16>(pack4(from, stride, largest, words) | relative));
  for (let i: usize = 0; i < <usize>stride >> 1; i += 8) store<u64>(panel + (i << 3) + (lane << 3), load<u64>(words + i));

  loadRotated(key + (<usize>width << 2), headWidth, stride, scratch);
  const pair = pointer(layer, Layer.VALUES) + (place & ~1) * <usize>(stride >> 1) + ((place & 1) << 1);
  const scale = pack4(scratch, stride, largestMagnitude(scratch, stride), words);
  store<u16>(pointer(layer, Layer.VALUE_SCALES) + (place << 1), <u16>scale);
  for (let i: usize = 0; i < <usize>stride >> 1; i += 2) store<u16>(pair + (i << 1), load<u16>(words + i));
}

/** A chunk is a range of heads: a key needs the first of its panel, which may be a row of this very step. */
export function runStoreKv4(plan: usize, step: usize, layer: usize, from: i32, to: i32, scratch: usize): void {
  const rows = word(step, Step.ROWS);
  for (let head = from; head < to; head++) {
    for (let row = 0; row < rows; row++) storeHead4(plan, step, layer, row, head, scratch);
  }
}
