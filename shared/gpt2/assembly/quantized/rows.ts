/**
 * Row-wise kernels of a quantised step: embedding, layer norm into integers, plain rows into integers, and storing new keys and
 * values as 8-bit integers with one scale per position and head. A chunk is a range of rows.
 */
import { getArgument, setArgument } from '../job';
import { splat } from '../vector-math';
import {
  inverseScale, largestMagnitude, loadQuad, normalizeRow, quadStride, quantizeQuad, quantizeRow, rowAt,
} from './activations';
import { float, Matrix, Plan, pointer, Step, word } from './plan';

const BYTE_LIMIT: f32 = 127;

/** x[r] = wte[tokens[r]] + wpe[positions[r]]; token t is column t % 8 of panel t / 8 of the packed wte. */
export function runEmbed8(plan: usize, step: usize, from: i32, to: i32): void {
  const width = word(plan, Plan.WIDTH);
  const wte = pointer(plan, Plan.WTE);
  const panelBytes = <usize>word(wte, Matrix.PADDED_DEPTH) << 3;
  for (let r = from; r < to; r++) {
    const token = load<i32>(pointer(step, Step.TOKENS) + (<usize>r << 2));
    const position = load<i32>(pointer(step, Step.POSITIONS) + (<usize>r << 2));
    let column = pointer(wte, Matrix.WEIGHT) + <usize>(token >> 3) * panelBytes + (<usize>(token & 7) << 2);
    const scale = splat(load<f32>(pointer(wte, Matrix.SCALES) + (<usize>token << 2)));
    let embedding = pointer(plan, Plan.WPE) + <usize>position * (<usize>width << 2);
    let x = pointer(step, Step.X) + <usize>r * (<usize>width << 2);
    for (let left = width; left > 0; left -= 4) {
      const bytes = i16x8.extend_low_i8x16_s(v128.load32_zero(column));
      const values = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(bytes)), scale);
      storeQuad(x, f32x4.add(values, v128.load(embedding)), left);
      column += 32;
      embedding += 16;
      x += 16;
    }
  }
}

@inline
function storeQuad(at: usize, values: v128, count: i32): void {
  if (count >= 4) {
    v128.store(at, values);
    return;
  }
  v128.store32_lane(at, values, 0);
  if (count > 1) v128.store32_lane(at, values, 1, 4);
  if (count > 2) v128.store32_lane(at, values, 2, 8);
}

/** integers[r] = layerNorm(x[selection[r]]), or of x[r] where there is no selection. */
export function runNormalize8(
  plan: usize, step: usize, gain: usize, bias: usize, selection: usize, rows: i32, from: i32, to: i32, scratch: usize,
): void {
  const width = word(plan, Plan.WIDTH);
  const paddedDepth = (width + 3) & ~3;
  for (let r = from; r < to; r++) {
    const source = selection == 0 ? r : load<i32>(selection + (<usize>r << 2));
    normalizeRow(pointer(step, Step.X) + <usize>source * (<usize>width << 2), gain, bias, float(plan, Plan.EPSILON), width, scratch);
    quantizeInto(step, scratch, width, paddedDepth, rows, r);
  }
}

/** integers[r] = x[r]: [rows, depth] */
export function runQuantize8(step: usize, x: usize, depth: i32, rows: i32, from: i32, to: i32): void {
  const paddedDepth = (depth + 3) & ~3;
  for (let r = from; r < to; r++) quantizeInto(step, x + <usize>r * (<usize>depth << 2), depth, paddedDepth, rows, r);
}

@inline
function quantizeInto(step: usize, x: usize, depth: i32, paddedDepth: i32, rows: i32, row: i32): void {
  const to = rowAt(pointer(step, Step.INTEGERS), row, paddedDepth);
  store<f32>(pointer(step, Step.SCALES) + (<usize>row << 2), quantizeRow(x, depth, to, quadStride(rows, row)));
}

/**
 * keys[block][head][offset / 8][stride / 4][8][4] (as a matrix' weights lie, positions for columns),
 * values[block][head][offset / 2][stride][2] (neighbouring positions side by side, as attention sums them), scales
 * [block][head][offset]. qkv [rows, 3 * width]
 */
export function runStoreKv8(
  plan: usize, step: usize, keys: usize, values: usize, keyScales: usize, valueScales: usize, from: i32, to: i32,
): void {
  const width = word(plan, Plan.WIDTH);
  const heads = word(plan, Plan.HEADS);
  const headWidth = word(plan, Plan.HEAD_WIDTH);
  const stride = <usize>word(plan, Plan.HEAD_STRIDE);
  const blockSize = word(plan, Plan.BLOCK_SIZE);
  for (let r = from; r < to; r++) {
    const slot = load<i32>(pointer(step, Step.SLOTS) + (<usize>r << 2));
    const offset = slot % blockSize;
    let place = <usize>(slot / blockSize) * <usize>heads * <usize>blockSize;
    let key = pointer(step, Step.QKV) + <usize>(r * 3 + 1) * (<usize>width << 2);
    for (let h = 0; h < heads; h++) {
      const value = key + (<usize>width << 2);
      const scaleAt = (place + <usize>offset) << 2;
      const keyRow = keys + (place + <usize>(offset & ~7)) * stride + (<usize>(offset & 7) << 2);
      store<f32>(keyScales + scaleAt, storeKey(key, headWidth, keyRow));
      const valueRow = values + (place + <usize>(offset & ~1)) * stride + <usize>(offset & 1);
      store<f32>(valueScales + scaleAt, storeValue(value, headWidth, valueRow));
      key += <usize>headWidth << 2;
      place += <usize>blockSize;
    }
  }
}

/** Four bytes in every 32, zero up to the next multiple of 4. */
function storeKey(x: usize, count: i32, to: usize): f32 {
  const largest = largestMagnitude(x, count);
  const inverse = splat(inverseScale(largest, BYTE_LIMIT));
  for (let left = count; left > 0; left -= 4) {
    const integers = quantizeQuad(loadQuad(x, left), inverse);
    const halves = i16x8.narrow_i32x4_s(integers, integers);
    v128.store32_lane(to, i8x16.narrow_i16x8_s(halves, halves), 0);
    x += 16;
    to += 32;
  }
  return largest / BYTE_LIMIT;
}

/** Bytes at every second place. */
function storeValue(x: usize, count: i32, to: usize): f32 {
  const largest = largestMagnitude(x, count);
  const inverse = splat(inverseScale(largest, BYTE_LIMIT));
  for (let left = count; left > 0; left -= 4) {
    const integers = quantizeQuad(loadQuad(x, left), inverse);
    store<i8>(to, <i8>i32x4.extract_lane(integers, 0));
    store<i8>(to, <i8>i32x4.extract_lane(integers, 1), 2);
    store<i8>(to, <i8>i32x4.extract_lane(integers, 2), 4);
    store<i8>(to, <i8>i32x4.extract_lane(integers, 3), 6);
    x += 16;
    to += 8;
  }
  return largest / BYTE_LIMIT;
}

export function prepareRows(control: usize, a: usize, b: usize, c: usize, d: usize, rows: i32, rowsPerChunk: i32): i32 {
  setArgument(control, 2, <i32>a);
  setArgument(control, 3, <i32>b);
  setArgument(control, 4, <i32>c);
  setArgument(control, 5, <i32>d);
  setArgument(control, 6, rows);
  setArgument(control, 7, rowsPerChunk);
  return (rows + rowsPerChunk - 1) / rowsPerChunk;
}

@inline
export function rowsEnd(control: usize, chunk: i32): i32 {
  return min((chunk + 1) * getArgument(control, 7), getArgument(control, 6));
}

@inline
export function rowsStart(control: usize, chunk: i32): i32 {
  return chunk * getArgument(control, 7);
}
