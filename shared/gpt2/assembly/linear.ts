/**
 * y = activation(x·W + b) + residual, W packed in panels of 8 columns: [ceil(n/8)][k][8], zero beyond column n.
 * Batch invariance: every output element has one accumulator that starts at 0 and adds x[i]·W[i] for i = 0, 1, 2 … in
 * order, whatever tile it happens to fall in, so its bits depend on its own row and column only.
 */
import { getArgument, setArgument } from './job';
import { activate, multiplyAdd } from './vector-math';

const PANEL_BYTES: usize = 32;
/** Rows a chunk works on: their inputs stay in the second-level cache while panels stream by. */
const ROW_BLOCK: i32 = 64;
/** Inputs processed before going to the next rows: 12 KiB of a panel stay in the first-level cache. */
const DEPTH_BLOCK: i32 = 384;
/** Per thread: a [ROW_BLOCK, 8] tile of sums. */
export const SCRATCH_BYTES: usize = <usize>ROW_BLOCK * PANEL_BYTES;

export function prepareLinear(
  control: usize, x: usize, weight: usize, bias: usize, residual: usize, out: usize, scratch: usize,
  rows: i32, depth: i32, columns: i32, activation: i32, panelsPerChunk: i32,
): i32 {
  setArgument(control, 0, <i32>x);
  setArgument(control, 1, <i32>weight);
  setArgument(control, 2, <i32>bias);
  setArgument(control, 3, <i32>residual);
  setArgument(control, 4, <i32>out);
  setArgument(control, 5, <i32>scratch);
  setArgument(control, 6, rows);
  setArgument(control, 7, depth);
  setArgument(control, 8, columns);
  setArgument(control, 9, activation);
  setArgument(control, 10, panelsPerChunk);
  const panels = (columns + 7) >> 3;
  return ((panels + panelsPerChunk - 1) / panelsPerChunk) * ((rows + ROW_BLOCK - 1) / ROW_BLOCK);
}

/** Four rows by one panel: sums[4][8] += x[4][depth] · w[depth][8]. (Unrolling it makes V8 spill: 20 % slower.) */
function tile4(x: usize, rowBytes: usize, w: usize, depth: i32, sums: usize): void {
  let x1 = x + rowBytes;
  let x2 = x1 + rowBytes;
  let x3 = x2 + rowBytes;
  let a0 = v128.load(sums), a1 = v128.load(sums, 16);
  let b0 = v128.load(sums, 32), b1 = v128.load(sums, 48);
  let c0 = v128.load(sums, 64), c1 = v128.load(sums, 80);
  let d0 = v128.load(sums, 96), d1 = v128.load(sums, 112);
  const end = x + (<usize>depth << 2);
  while (x < end) {
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    let s = v128.load32_splat(x);
    a0 = multiplyAdd(s, w0, a0); a1 = multiplyAdd(s, w1, a1);
    s = v128.load32_splat(x1);
    b0 = multiplyAdd(s, w0, b0); b1 = multiplyAdd(s, w1, b1);
    s = v128.load32_splat(x2);
    c0 = multiplyAdd(s, w0, c0); c1 = multiplyAdd(s, w1, c1);
    s = v128.load32_splat(x3);
    d0 = multiplyAdd(s, w0, d0); d1 = multiplyAdd(s, w1, d1);
    x += 4; x1 += 4; x2 += 4; x3 += 4;
    w += PANEL_BYTES;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16);
  v128.store(sums, b0, 32); v128.store(sums, b1, 48);
  v128.store(sums, c0, 64); v128.store(sums, c1, 80);
  v128.store(sums, d0, 96); v128.store(sums, d1, 112);
}

/** Two rows by one panel. */
function tile2(x: usize, rowBytes: usize, w: usize, depth: i32, sums: usize): void {
  let x1 = x + rowBytes;
  let a0 = v128.load(sums), a1 = v128.load(sums, 16);
  let b0 = v128.load(sums, 32), b1 = v128.load(sums, 48);
  for (; depth > 0; depth--) {
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    let s = v128.load32_splat(x);
    a0 = multiplyAdd(s, w0, a0); a1 = multiplyAdd(s, w1, a1);
    s = v128.load32_splat(x1);
    b0 = multiplyAdd(s, w0, b0); b1 = multiplyAdd(s, w1, b1);
    x += 4; x1 += 4;
    w += PANEL_BYTES;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16);
  v128.store(sums, b0, 32); v128.store(sums, b1, 48);
}

/** One row by one panel. */
function tile1(x: usize, w: usize, depth: i32, sums: usize): void {
  let a0 = v128.load(sums), a1 = v128.load(sums, 16);
  const end = x + (<usize>depth << 2);
  while (x < end) {
    const s = v128.load32_splat(x);
    a0 = multiplyAdd(s, v128.load(w), a0); a1 = multiplyAdd(s, v128.load(w, 16), a1);
    x += 4;
    w += PANEL_BYTES;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16);
}

/** sums[rows][8] = x[rows][depth] · panel. */
function multiplyPanel(x: usize, rows: i32, depth: i32, panel: usize, sums: usize): void {
  const rowBytes = <usize>depth << 2;
  memory.fill(sums, 0, <usize>rows * PANEL_BYTES);
  for (let start = 0; start < depth; start += DEPTH_BLOCK) {
    const length = min(DEPTH_BLOCK, depth - start);
    const w = panel + <usize>start * PANEL_BYTES;
    let row = x + (<usize>start << 2);
    let sum = sums;
    let left = rows;
    for (; left >= 4; left -= 4) {
      tile4(row, rowBytes, w, length, sum);
      row += rowBytes * 4;
      sum += PANEL_BYTES * 4;
    }
    if (left >= 2) {
      tile2(row, rowBytes, w, length, sum);
      row += rowBytes * 2;
      sum += PANEL_BYTES * 2;
      left -= 2;
    }
    if (left > 0) tile1(row, w, length, sum);
  }
}

/** Bias, activation, residual; the last panel may have fewer than 8 columns. */
function finishPanel(
  sums: usize, rows: i32, bias: usize, residual: usize, out: usize, strideBytes: usize, columns: i32, activation: i32,
): void {
  const bias0 = v128.load(bias), bias1 = v128.load(bias, 16);
  for (let r = 0; r < rows; r++) {
    let y0 = activate(f32x4.add(v128.load(sums), bias0), activation);
    let y1 = activate(f32x4.add(v128.load(sums, 16), bias1), activation);
    if (columns == 8) {
      if (residual != 0) {
        y0 = f32x4.add(y0, v128.load(residual));
        y1 = f32x4.add(y1, v128.load(residual, 16));
      }
      v128.store(out, y0);
      v128.store(out, y1, 16);
    } else {
      v128.store(sums, y0);
      v128.store(sums, y1, 16);
      for (let c = 0; c < columns; c++) {
        const at = <usize>c << 2;
        const y = load<f32>(sums + at);
        store<f32>(out + at, residual != 0 ? y + load<f32>(residual + at) : y);
      }
    }
    sums += PANEL_BYTES;
    out += strideBytes;
    if (residual != 0) residual += strideBytes;
  }
}

export function runLinear(control: usize, chunk: i32, thread: i32): void {
  const rows = getArgument(control, 6);
  const depth = getArgument(control, 7);
  const columns = getArgument(control, 8);
  const activation = getArgument(control, 9);
  const perChunk = getArgument(control, 10);
  const panels = (columns + 7) >> 3;
  const panelChunks = (panels + perChunk - 1) / perChunk;
  const rowStart = (chunk / panelChunks) * ROW_BLOCK;
  const rowCount = min(ROW_BLOCK, rows - rowStart);
  const first = (chunk % panelChunks) * perChunk;
  const last = min(first + perChunk, panels);
  const strideBytes = <usize>columns << 2;
  const x = <usize>(<u32>getArgument(control, 0)) + <usize>rowStart * (<usize>depth << 2);
  const weight = <usize>(<u32>getArgument(control, 1));
  const bias = <usize>(<u32>getArgument(control, 2));
  const residual = <usize>(<u32>getArgument(control, 3));
  const out = <usize>(<u32>getArgument(control, 4)) + <usize>rowStart * strideBytes;
  const sums = <usize>(<u32>getArgument(control, 5)) + <usize>thread * SCRATCH_BYTES;
  for (let panel = first; panel < last; panel++) {
    const at = <usize>panel << 5;
    multiplyPanel(x, rowCount, depth, weight + <usize>panel * <usize>depth * PANEL_BYTES, sums);
    finishPanel(
      sums, rowCount, bias + at, residual == 0 ? 0 : residual + <usize>rowStart * strideBytes + at, out + at, strideBytes,
      min(8, columns - (panel << 3)), activation,
    );
  }
}
