/**
 * Causal attention of ragged rows over a paged KV cache (Kwon et al. 2023, section 4): row r attends to positions
 * 0 … positions[r] of its own sequence. Caches are [block][head][offset][headWidth]. An item is one head of one row;
 * everything is summed in order of position, so neither chunking nor block numbers can change a bit.
 */
import { getArgument, getFloatArgument, setArgument, setFloatArgument } from './job';
import { exponential, horizontalSum, multiplyAdd, splat } from './vector-math';

@inline
function pointer(control: usize, index: i32): usize {
  return <usize>(<u32>getArgument(control, index));
}

export function prepareAttention(
  control: usize, qkv: usize, keys: usize, values: usize, tables: usize, sequences: usize, positions: usize, out: usize,
  scratch: usize, scale: f32, rows: i32, heads: i32, headWidth: i32, blockSize: i32, tableWidth: i32, scratchWidth: i32,
  itemsPerChunk: i32,
): i32 {
  setArgument(control, 0, <i32>qkv);
  setArgument(control, 1, <i32>keys);
  setArgument(control, 2, <i32>values);
  setArgument(control, 3, <i32>tables);
  setArgument(control, 4, <i32>sequences);
  setArgument(control, 5, <i32>positions);
  setArgument(control, 6, <i32>out);
  setArgument(control, 7, <i32>scratch);
  setFloatArgument(control, 8, scale);
  setArgument(control, 9, rows);
  setArgument(control, 10, heads);
  setArgument(control, 11, headWidth);
  setArgument(control, 12, blockSize);
  setArgument(control, 13, tableWidth);
  setArgument(control, 14, scratchWidth);
  setArgument(control, 15, itemsPerChunk);
  return (rows * heads + itemsPerChunk - 1) / itemsPerChunk;
}

function dot(a: usize, b: usize, width: i32): f32 {
  let even = splat(0);
  let odd = splat(0);
  let i = 0;
  for (; i + 8 <= width; i += 8) {
    even = multiplyAdd(v128.load(a), v128.load(b), even);
    odd = multiplyAdd(v128.load(a, 16), v128.load(b, 16), odd);
    a += 32;
    b += 32;
  }
  let sum = horizontalSum(f32x4.add(even, odd));
  for (; i < width; i++) {
    sum += load<f32>(a) * load<f32>(b);
    a += 4;
    b += 4;
  }
  return sum;
}

/** Turns scores[0 … count) into e^(score - max), pads to a multiple of 4 with what adds nothing, returns the sum. */
function exponentiate(scores: usize, count: i32, max: f32): f32 {
  const padded = (count + 3) & ~3;
  for (let i = count; i < padded; i++) store<f32>(scores + (<usize>i << 2), -f32.MAX_VALUE);
  const maxima = splat(max);
  let sums = splat(0);
  for (let i = 0; i < padded; i += 4) {
    const at = scores + (<usize>i << 2);
    const e = exponential(f32x4.sub(v128.load(at), maxima));
    v128.store(at, e);
    sums = f32x4.add(sums, e);
  }
  return horizontalSum(sums);
}

/** out[16] = Σ_p weight[p] · values[p][16], over the blocks of one sequence. */
function weigh16(
  weights: usize, count: i32, values: usize, table: usize, blockBytes: usize, rowBytes: usize, blockSize: i32, factor: f32, out: usize,
): void {
  let s0 = splat(0), s1 = splat(0), s2 = splat(0), s3 = splat(0);
  for (let start = 0; start < count; start += blockSize) {
    let v = values + <usize>load<i32>(table) * blockBytes;
    const end = min(blockSize, count - start);
    for (let i = 0; i < end; i++) {
      const w = v128.load32_splat(weights);
      s0 = multiplyAdd(w, v128.load(v), s0);
      s1 = multiplyAdd(w, v128.load(v, 16), s1);
      s2 = multiplyAdd(w, v128.load(v, 32), s2);
      s3 = multiplyAdd(w, v128.load(v, 48), s3);
      v += rowBytes;
      weights += 4;
    }
    table += 4;
  }
  const f = splat(factor);
  v128.store(out, f32x4.mul(s0, f));
  v128.store(out, f32x4.mul(s1, f), 16);
  v128.store(out, f32x4.mul(s2, f), 32);
  v128.store(out, f32x4.mul(s3, f), 48);
}

/** As weigh16, for one column: the rest of a head whose width is no multiple of 16. */
function weigh1(
  weights: usize, count: i32, values: usize, table: usize, blockBytes: usize, rowBytes: usize, blockSize: i32, factor: f32, out: usize,
): void {
  let sum: f32 = 0;
  for (let start = 0; start < count; start += blockSize) {
    let v = values + <usize>load<i32>(table) * blockBytes;
    const end = min(blockSize, count - start);
    for (let i = 0; i < end; i++) {
      sum += load<f32>(weights) * load<f32>(v);
      v += rowBytes;
      weights += 4;
    }
    table += 4;
  }
  store<f32>(out, sum * factor);
}

function attendHead(control: usize, row: i32, head: i32, scores: usize): void {
  const heads = getArgument(control, 10);
  const headWidth = getArgument(control, 11);
  const blockSize = getArgument(control, 12);
  const rowBytes = <usize>headWidth << 2;
  const blockBytes = <usize>heads * <usize>blockSize * rowBytes;
  const headAt = <usize>head * <usize>blockSize * rowBytes;
  const sequence = load<i32>(pointer(control, 4) + (<usize>row << 2));
  const count = load<i32>(pointer(control, 5) + (<usize>row << 2)) + 1;
  const table = pointer(control, 3) + <usize>sequence * (<usize>getArgument(control, 13) << 2);
  const scale = getFloatArgument(control, 8);
  const query = pointer(control, 0) + (<usize>row * 3 * <usize>heads + <usize>head) * rowBytes;

  let max: f32 = -f32.MAX_VALUE;
  let score = scores;
  for (let start = 0; start < count; start += blockSize) {
    const block = load<i32>(table + (<usize>(start / blockSize) << 2));
    let key = pointer(control, 1) + <usize>block * blockBytes + headAt;
    const end = min(blockSize, count - start);
    for (let i = 0; i < end; i++) {
      const s = dot(query, key, headWidth) * scale;
      store<f32>(score, s);
      if (s > max) max = s;
      key += rowBytes;
      score += 4;
    }
  }
  const factor: f32 = <f32>1 / exponentiate(scores, count, max);

  const values = pointer(control, 2) + headAt;
  const out = pointer(control, 6) + (<usize>row * <usize>heads + <usize>head) * rowBytes;
  let column = 0;
  for (; column + 16 <= headWidth; column += 16) {
    const at = <usize>column << 2;
    weigh16(scores, count, values + at, table, blockBytes, rowBytes, blockSize, factor, out + at);
  }
  for (; column < headWidth; column++) {
    const at = <usize>column << 2;
    weigh1(scores, count, values + at, table, blockBytes, rowBytes, blockSize, factor, out + at);
  }
}

export function runAttention(control: usize, chunk: i32, thread: i32): void {
  const heads = getArgument(control, 10);
  const perChunk = getArgument(control, 15);
  const scores = pointer(control, 7) + <usize>thread * (<usize>getArgument(control, 14) << 2);
  const end = min((chunk + 1) * perChunk, getArgument(control, 9) * heads);
  for (let item = chunk * perChunk; item < end; item++) attendHead(control, item / heads, item % heads, scores);
}
