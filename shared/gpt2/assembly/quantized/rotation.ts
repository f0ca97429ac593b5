/**
 * Turns a head's vector by a Walsh-Hadamard matrix, which spreads what stands out in one channel over all: 4-bit integers then
 * lose little (Ashkboos et al. 2024, arXiv 2404.00456). Only additions and subtractions, in one order.
 */
import { splat } from '../vector-math';
import { loadQuad } from './activations';

const MINUS: i32 = i32.MIN_VALUE;

/** Channels that are mixed: the largest power of two in the stride, at least 16. */
@inline
export function rotationSize(stride: i32): i32 {
  return stride & -stride;
}

/** lane i = lane i of x + lane i of y, or y - x where `sign` is set. */
@inline
function butterfly(x: v128, y: v128, sign: v128): v128 {
  return f32x4.add(y, v128.xor(x, sign));
}

/** Not normalised: twice gives x times rotationSize. */
export function rotate(x: usize, stride: i32): void {
  const end = x + (<usize>stride << 2);
  for (let at = x; at < end; at += 16) {
    let v = v128.load(at);
    v = butterfly(v, v128.shuffle<f32>(v, v, 1, 0, 3, 2), i32x4(0, MINUS, 0, MINUS));
    v = butterfly(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1), i32x4(0, 0, MINUS, MINUS));
    v128.store(at, v);
  }
  const size = <usize>rotationSize(stride) << 2;
  for (let h: usize = 16; h < size; h <<= 1) {
    for (let start = x; start < end; start += h << 1) {
      for (let at = start; at < start + h; at += 16) {
        const a = v128.load(at), b = v128.load(at + h);
        v128.store(at, f32x4.add(a, b));
        v128.store(at + h, f32x4.sub(a, b));
      }
    }
  }
}

/** A head's `width` floats, rotated, zeros behind them first. */
export function loadRotated(x: usize, width: i32, stride: i32, to: usize): void {
  for (let i = 0; i < stride; i += 4) {
    const at = <usize>i << 2;
    v128.store(to + at, i < width ? loadQuad(x + at, width - i) : splat(0));
  }
  rotate(to, stride);
}
