/**
 * Weights of 4 bits with a scale for every 32 inputs of a column: w = scale · (nibble - 8). A panel of eight columns is a run of groups, each of 144 bytes:
 * 128 bytes of nibbles, the low ones the weights of inputs 0 to 15 in the order of 8-bit panels ([quad][8][4]), the high ones those of 16 to 31, then eight
 * scales in half precision. A thread unpacks a panel once to 8 bits, for all rows of its chunk. Sums inside a group are exact integers; groups are added as
 * floats in the order of inputs, so tiles and chunks cannot change a bit.
 */
import { activate, multiplyAdd, splat } from '../vector-math';
import { GROUP } from './activations';
import { foldColumns, SUM_BYTES, tile } from './tiles';

export const PANEL_GROUP_BYTES: usize = 144;
/** Inputs of a group. */
const INPUTS: i32 = 32;
/** A group unpacked: 256 bytes of weights, eight scales as floats. */
const UNPACKED_BYTES: usize = 288;
/** Where a tile's float sums begin: eight for each row. */
const FLOATS: usize = SUM_BYTES * <usize>GROUP;

/** Scratch memory for a panel of so many inputs. */
export function unpackedBytes(depth: i32): i32 {
  return ((depth + 31) >> 5) * <i32>UNPACKED_BYTES;
}

/** Four half-precision numbers, widened to i32 lanes, as floats: exact, subnormal ones too. Not for infinities. */
@inline
function widenHalves(halves: v128): v128 {
  const magnitude = f32x4.mul(i32x4.shl(v128.and(halves, i32x4.splat(0x7fff)), 13), splat(reinterpret<f32>(0x77800000)));
  return v128.or(magnitude, i32x4.shl(v128.and(halves, i32x4.splat(0x8000)), 16));
}

export function unpackPanel(from: usize, paddedDepth: i32, to: usize): void {
  const low = i8x16.splat(15);
  const offset = i8x16.splat(8);
  for (let left = paddedDepth; left > 0; left -= INPUTS) {
    for (let i: usize = 0; i < 128; i += 16) {
      const nibbles = v128.load(from + i);
      v128.store(to + i, i8x16.sub(v128.and(nibbles, low), offset));
      v128.store(to + i, i8x16.sub(v128.and(i16x8.shr_u(nibbles, 4), low), offset), 128);
    }
    const scales = v128.load(from, 128);
    v128.store(to, widenHalves(i32x4.extend_low_i16x8_u(scales)), 256);
    v128.store(to, widenHalves(i32x4.extend_high_i16x8_u(scales)), 272);
    from += PANEL_GROUP_BYTES;
    to += UNPACKED_BYTES;
  }
}

/** Leaves the tile's float sums [rows][8] behind its integer ones. */
export function groupedTile(rows: i32, x: usize, unpacked: usize, paddedDepth: i32, sums: usize): void {
  const floats = sums + FLOATS;
  for (let r = 0; r < rows; r++) {
    v128.store(floats + (<usize>r << 5), splat(0));
    v128.store(floats + (<usize>r << 5), splat(0), 16);
  }
  for (let left = paddedDepth; left > 0; left -= INPUTS) {
    tile(rows, x, unpacked, min(left, INPUTS), sums);
    const scale0 = v128.load(unpacked, 256), scale1 = v128.load(unpacked, 272);
    let from = sums;
    let to = floats;
    for (let r = 0; r < rows; r++) {
      v128.store(to, multiplyAdd(foldColumns(v128.load(from), v128.load(from, 16)), scale0, v128.load(to)));
      v128.store(to, multiplyAdd(foldColumns(v128.load(from, 32), v128.load(from, 48)), scale1, v128.load(to, 16)), 16);
      from += SUM_BYTES;
      to += 32;
    }
    x += <usize>rows << 6;
    unpacked += UNPACKED_BYTES;
  }
}

/** activation(float sums · input scale + bias) + residual, unless its address is 0. */
export function finishGrouped(
  sums: usize, rows: i32, inputScales: usize, bias: usize, residual: usize, out: usize, strideBytes: usize, columns: i32,
  activation: i32,
): void {
  const bias0 = v128.load(bias), bias1 = v128.load(bias, 16);
  let at = sums + FLOATS;
  for (let r = 0; r < rows; r++) {
    const inputScale = v128.load32_splat(inputScales);
    let y0 = activate(multiplyAdd(v128.load(at), inputScale, bias0), activation);
    let y1 = activate(multiplyAdd(v128.load(at, 16), inputScale, bias1), activation);
    if (columns == 8) {
      if (residual != 0) {
        y0 = f32x4.add(y0, v128.load(residual));
        y1 = f32x4.add(y1, v128.load(residual, 16));
      }
      v128.store(out, y0);
      v128.store(out, y1, 16);
    } else {
      v128.store(at, y0);
      v128.store(at, y1, 16);
      for (let c: usize = 0; c < <usize>columns << 2; c += 4) {
        const y = load<f32>(at + c);
        store<f32>(out + c, residual != 0 ? y + load<f32>(residual + c) : y);
      }
    }
    inputScales += 4;
    at += 32;
    out += strideBytes;
    if (residual != 0) residual += strideBytes;
  }
}
