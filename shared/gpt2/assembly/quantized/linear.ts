/**
 * y = activation(s·q·W + b) + residual with 8-bit weights and 12-bit activations. W is packed in panels of eight columns,
 * [ceil(n/8)][paddedDepth / 4][8][4] i8, with one scale per column. The sum of products is an exact integer, so tiles, chunks and
 * vector widths cannot change a bit; the few float operations at its end have one fixed order.
 */
import { getArgument, setArgument } from '../job';
import { activate, multiplyAdd } from '../vector-math';
import { GROUP } from './activations';
import { finishGrouped, groupedTile, PANEL_GROUP_BYTES, unpackPanel } from './groups';
import { Matrix, pointer, word } from './plan';
import { foldColumns, SUM_BYTES, tile } from './tiles';

/** Rows a chunk works on: their integers stay in the second-level cache while panels stream by. */
const ROW_BLOCK: i32 = 64;
/** Per thread: the sums of one tile, as integers and, for weights with group scales, as floats. */
export const TILE_BYTES: usize = 2 * SUM_BYTES * <usize>GROUP;

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
  const unpacked = sums + TILE_BYTES;
  const grouped = word(matrix, Matrix.GROUPED) != 0;
  const panelBytes = grouped ? <usize>((paddedDepth + 31) >> 5) * PANEL_GROUP_BYTES : <usize>paddedDepth << 3;
  for (let panel = first; panel < last; panel++) {
    const at = <usize>panel << 5;
    const weight = pointer(matrix, Matrix.WEIGHT) + <usize>panel * panelBytes;
    if (grouped) unpackPanel(weight, paddedDepth, unpacked);
    for (let row = rowStart; row < rowEnd; row += GROUP) {
      const group = min(GROUP, rowEnd - row);
      const x = <usize>(<u32>getArgument(control, 1)) + <usize>row * (<usize>paddedDepth << 1);
      const offset = <usize>row * strideBytes + at;
      const scale = <usize>(<u32>getArgument(control, 2)) + (<usize>row << 2);
      const columnScales = pointer(matrix, Matrix.SCALES) + at;
      const bias = pointer(matrix, Matrix.BIAS) + at;
      const out = <usize>(<u32>getArgument(control, 4)) + offset;
      const addend = residual == 0 ? 0 : residual + offset;
      const width = min(8, columns - (panel << 3));
      if (grouped) {
        groupedTile(group, x, unpacked, paddedDepth, sums);
        finishGrouped(sums, group, scale, bias, addend, out, strideBytes, width, activation);
        continue;
      }
      tile(group, x, weight, paddedDepth, sums);
      if (width == 8 && activation == 0) finishLinear(sums, group, scale, columnScales, bias, addend, out, strideBytes);
      else if (width == 8 && residual == 0) finishActivated(sums, group, scale, columnScales, bias, out, strideBytes, activation);
      else finishTile(sums, group, scale, columnScales, bias, addend, out, strideBytes, width, activation);
    }
  }
}
