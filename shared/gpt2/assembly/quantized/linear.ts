/**
 * y = activation(s·q·W + b) + residual with 8-bit weights and 12-bit activations. W is packed in panels of eight columns,
 * [ceil(n/8)][paddedDepth / 4][8][4] i8, with one scale per column. The sum of products is an exact integer, so tiles, chunks and
 * vector widths cannot change a bit; the few float operations at its end have one fixed order.
 */
import { getArgument, setArgument } from '../job';
import { activate, multiplyAdd, splat } from '../vector-math';
import { GROUP } from './activations';
import { Matrix, pointer, word } from './plan';

/** Rows a chunk works on: their integers stay in the second-level cache while panels stream by. */
const ROW_BLOCK: i32 = 64;
/** Bytes of partial sums of one row: eight columns, two sums each. */
const SUM_BYTES: usize = 64;
/** Per thread: the sums of one tile. */
export const TILE_BYTES: usize = SUM_BYTES * <usize>GROUP;

/**
 * @param residual address of floats to add, or 0
 * @param threads sizes the chunks
 */
export function prepareLinear8(
  control: usize, matrix: usize, integers: usize, scales: usize, residual: usize, out: usize, scratch: usize, scratchBytes: i32,
  rows: i32, activation: i32, panelsPerChunk: i32,
): i32 {
  setArgument(control, 0, <i32>matrix);
  setArgument(control, 1, <i32>integers);
  setArgument(control, 2, <i32>scales);
  setArgument(control, 3, <i32>residual);
  setArgument(control, 4, <i32>out);
  setArgument(control, 5, <i32>scratch);
  setArgument(control, 6, scratchBytes);
  setArgument(control, 7, rows);
  setArgument(control, 8, activation);
  setArgument(control, 9, panelsPerChunk);
  const panels = (word(matrix, Matrix.COLUMNS) + 7) >> 3;
  return ((panels + panelsPerChunk - 1) / panelsPerChunk) * ((rows + ROW_BLOCK - 1) / ROW_BLOCK);
}

/** Work of one panel of a chunk in multiply-adds. */
export function panelWork(matrix: usize, rows: i32): i32 {
  return word(matrix, Matrix.PADDED_DEPTH) * 8 * min(rows, ROW_BLOCK);
}

/** sum + Σ of neighbouring products: eight weights (two columns, four inputs) by four inputs twice. */
@inline
function dot(weights: v128, inputs: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(weights, inputs));
}

/*
 * Tiles of 1 to 4 rows by one panel. The four vectors of a row are stored side by side: where the engine can, it joins such
 * neighbours to vectors of twice the width.
 */

export function tile1(x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  const end = w + (<usize>paddedDepth << 3);
  while (w < end) {
    const u = v128.load64_splat(x);
    a0 = dot(v128.load8x8_s(w), u, a0); a1 = dot(v128.load8x8_s(w, 8), u, a1);
    a2 = dot(v128.load8x8_s(w, 16), u, a2); a3 = dot(v128.load8x8_s(w, 24), u, a3);
    w += 32;
    x += 8;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
}

function tile2(x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  const end = w + (<usize>paddedDepth << 3);
  while (w < end) {
    const w0 = v128.load8x8_s(w), w1 = v128.load8x8_s(w, 8), w2 = v128.load8x8_s(w, 16), w3 = v128.load8x8_s(w, 24);
    const u = v128.load64_splat(x), v = v128.load64_splat(x, 8);
    a0 = dot(w0, u, a0); a1 = dot(w1, u, a1); a2 = dot(w2, u, a2); a3 = dot(w3, u, a3);
    b0 = dot(w0, v, b0); b1 = dot(w1, v, b1); b2 = dot(w2, v, b2); b3 = dot(w3, v, b3);
    w += 32;
    x += 16;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
  v128.store(sums, b0, 64); v128.store(sums, b1, 80); v128.store(sums, b2, 96); v128.store(sums, b3, 112);
}

function tile3(x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  let c0 = zero, c1 = zero, c2 = zero, c3 = zero;
  const end = w + (<usize>paddedDepth << 3);
  while (w < end) {
    const w0 = v128.load8x8_s(w), w1 = v128.load8x8_s(w, 8), w2 = v128.load8x8_s(w, 16), w3 = v128.load8x8_s(w, 24);
    let u = v128.load64_splat(x);
    a0 = dot(w0, u, a0); a1 = dot(w1, u, a1); a2 = dot(w2, u, a2); a3 = dot(w3, u, a3);
    u = v128.load64_splat(x, 8);
    b0 = dot(w0, u, b0); b1 = dot(w1, u, b1); b2 = dot(w2, u, b2); b3 = dot(w3, u, b3);
    u = v128.load64_splat(x, 16);
    c0 = dot(w0, u, c0); c1 = dot(w1, u, c1); c2 = dot(w2, u, c2); c3 = dot(w3, u, c3);
    w += 32;
    x += 24;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
  v128.store(sums, b0, 64); v128.store(sums, b1, 80); v128.store(sums, b2, 96); v128.store(sums, b3, 112);
  v128.store(sums, c0, 128); v128.store(sums, c1, 144); v128.store(sums, c2, 160); v128.store(sums, c3, 176);
}

function tile4(x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  let c0 = zero, c1 = zero, c2 = zero, c3 = zero, d0 = zero, d1 = zero, d2 = zero, d3 = zero;
  const end = w + (<usize>paddedDepth << 3);
  while (w < end) {
    const w0 = v128.load8x8_s(w), w1 = v128.load8x8_s(w, 8), w2 = v128.load8x8_s(w, 16), w3 = v128.load8x8_s(w, 24);
    let u = v128.load64_splat(x);
    a0 = dot(w0, u, a0); a1 = dot(w1, u, a1); a2 = dot(w2, u, a2); a3 = dot(w3, u, a3);
    u = v128.load64_splat(x, 8);
    b0 = dot(w0, u, b0); b1 = dot(w1, u, b1); b2 = dot(w2, u, b2); b3 = dot(w3, u, b3);
    u = v128.load64_splat(x, 16);
    c0 = dot(w0, u, c0); c1 = dot(w1, u, c1); c2 = dot(w2, u, c2); c3 = dot(w3, u, c3);
    u = v128.load64_splat(x, 24);
    d0 = dot(w0, u, d0); d1 = dot(w1, u, d1); d2 = dot(w2, u, d2); d3 = dot(w3, u, d3);
    w += 32;
    x += 32;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
  v128.store(sums, b0, 64); v128.store(sums, b1, 80); v128.store(sums, b2, 96); v128.store(sums, b3, 112);
  v128.store(sums, c0, 128); v128.store(sums, c1, 144); v128.store(sums, c2, 160); v128.store(sums, c3, 176);
  v128.store(sums, d0, 192); v128.store(sums, d1, 208); v128.store(sums, d2, 224); v128.store(sums, d3, 240);
}

function tile(rows: i32, x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  switch (rows) {
    case 1: return tile1(x, w, paddedDepth, sums);
    case 2: return tile2(x, w, paddedDepth, sums);
    case 3: return tile3(x, w, paddedDepth, sums);
    default: return tile4(x, w, paddedDepth, sums);
  }
}

/** Adds the two sums of each of four columns, as floats. */
@inline
export function foldColumns(low: v128, high: v128): v128 {
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  const odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  return f32x4.convert_i32x4_s(i32x4.add(even, odd));
}

/** Columns of a tile's row, scaled and with their bias. */
@inline
function low(sums: usize, scale: v128, inputScale: v128, bias: v128): v128 {
  return multiplyAdd(f32x4.mul(foldColumns(v128.load(sums), v128.load(sums, 16)), scale), inputScale, bias);
}

/** A full tile without activation: scales, bias and, unless its address is 0, residual. */
function finishLinear(
  sums: usize, rows: i32, inputScales: usize, scales: usize, bias: usize, residual: usize, out: usize, strideBytes: usize,
): void {
  const scale0 = v128.load(scales), scale1 = v128.load(scales, 16);
  const bias0 = v128.load(bias), bias1 = v128.load(bias, 16);
  for (; rows > 0; rows--) {
    const inputScale = v128.load32_splat(inputScales);
    let y0 = low(sums, scale0, inputScale, bias0);
    let y1 = low(sums + 32, scale1, inputScale, bias1);
    if (residual != 0) {
      y0 = f32x4.add(y0, v128.load(residual));
      y1 = f32x4.add(y1, v128.load(residual, 16));
      residual += strideBytes;
    }
    v128.store(out, y0);
    v128.store(out, y1, 16);
    inputScales += 4;
    sums += SUM_BYTES;
    out += strideBytes;
  }
}

/** As finishLinear for any tile: the last panel may have fewer than 8 columns. */
function finishTile(
  sums: usize, rows: i32, inputScales: usize, scales: usize, bias: usize, residual: usize, out: usize, strideBytes: usize,
  columns: i32, activation: i32,
): void {
  const scale0 = v128.load(scales), scale1 = v128.load(scales, 16);
  const bias0 = v128.load(bias), bias1 = v128.load(bias, 16);
  for (let r = 0; r < rows; r++) {
    const inputScale = v128.load32_splat(inputScales);
    const y0 = activate(low(sums, scale0, inputScale, bias0), activation);
    const y1 = activate(low(sums + 32, scale1, inputScale, bias1), activation);
    v128.store(sums, y0);
    v128.store(sums, y1, 16);
    for (let c = 0; c < columns; c++) {
      const at = <usize>c << 2;
      const y = load<f32>(sums + at);
      store<f32>(out + at, residual != 0 ? y + load<f32>(residual + at) : y);
    }
    inputScales += 4;
    sums += SUM_BYTES;
    out += strideBytes;
    if (residual != 0) residual += strideBytes;
  }
}

/** As finishLinear, with an activation and without residual. */
function finishActivated(
  sums: usize, rows: i32, inputScales: usize, scales: usize, bias: usize, out: usize, strideBytes: usize, activation: i32,
): void {
  const scale0 = v128.load(scales), scale1 = v128.load(scales, 16);
  const bias0 = v128.load(bias), bias1 = v128.load(bias, 16);
  for (; rows > 0; rows--) {
    const inputScale = v128.load32_splat(inputScales);
    v128.store(out, activate(low(sums, scale0, inputScale, bias0), activation));
    v128.store(out, activate(low(sums + 32, scale1, inputScale, bias1), activation), 16);
    inputScales += 4;
    sums += SUM_BYTES;
    out += strideBytes;
  }
}

export function runLinear8(control: usize, chunk: i32, thread: i32): void {
  const matrix = <usize>(<u32>getArgument(control, 0));
  const rows = getArgument(control, 7);
  const activation = getArgument(control, 8);
  const perChunk = getArgument(control, 9);
  const columns = word(matrix, Matrix.COLUMNS);
  const paddedDepth = word(matrix, Matrix.PADDED_DEPTH);
  const panels = (columns + 7) >> 3;
  const panelChunks = (panels + perChunk - 1) / perChunk;
  const rowStart = (chunk / panelChunks) * ROW_BLOCK;
  const rowEnd = min(rows, rowStart + ROW_BLOCK);
  const first = (chunk % panelChunks) * perChunk;
  const last = min(first + perChunk, panels);
  const strideBytes = <usize>columns << 2;
  const residual = <usize>(<u32>getArgument(control, 3));
  const sums = <usize>(<u32>getArgument(control, 5)) + <usize>thread * <usize>getArgument(control, 6);
  for (let panel = first; panel < last; panel++) {
    const at = <usize>panel << 5;
    const weight = pointer(matrix, Matrix.WEIGHT) + <usize>panel * (<usize>paddedDepth << 3);
    for (let row = rowStart; row < rowEnd; row += GROUP) {
      const group = min(GROUP, rowEnd - row);
      tile(group, <usize>(<u32>getArgument(control, 1)) + <usize>row * (<usize>paddedDepth << 1), weight, paddedDepth, sums);
      const offset = <usize>row * strideBytes + at;
      const scale = <usize>(<u32>getArgument(control, 2)) + (<usize>row << 2);
      const columnScales = pointer(matrix, Matrix.SCALES) + at;
      const bias = pointer(matrix, Matrix.BIAS) + at;
      const out = <usize>(<u32>getArgument(control, 4)) + offset;
      const addend = residual == 0 ? 0 : residual + offset;
      const width = min(8, columns - (panel << 3));
      if (width == 8 && activation == 0) finishLinear(sums, group, scale, columnScales, bias, addend, out, strideBytes);
      else if (width == 8 && residual == 0) finishActivated(sums, group, scale, columnScales, bias, out, strideBytes, activation);
      else finishTile(sums, group, scale, columnScales, bias, addend, out, strideBytes, width, activation);
    }
  }
}
