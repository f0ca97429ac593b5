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
  itemsPerChunk: i32, rowsFirst: i32,
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
  setArgument(control, 16, rowsFirst);
  return (rows * heads + itemsPerChunk - 1) / itemsPerChunk;
}

/** q·k over the leading multiple of 4 of a head's columns, lane by lane, then across lanes, then the columns left over. */
function dot1(q: usize, k: usize, width: i32): f32 {
  let lanes = splat(0);
  for (let turns = width >> 2; turns > 0; turns--) {
    lanes = multiplyAdd(v128.load(q), v128.load(k), lanes);
    q += 16;
    k += 16;
  }
  return addRest(horizontalSum(lanes), q, k, width & 3);
}

@inline
function addRest(sum: f32, q: usize, k: usize, rest: i32): f32 {
  for (; rest > 0; rest--) {
    sum += load<f32>(q) * load<f32>(k);
    q += 4;
    k += 4;
  }
  return sum;
}

/** Four keys at once: each sum is added up exactly as dot1 does it. */
function dot4(q: usize, k: usize, rowBytes: usize, width: i32, out: usize): void {
  let k1 = k + rowBytes;
  let k2 = k1 + rowBytes;
  let k3 = k2 + rowBytes;
  let a = splat(0), b = splat(0), c = splat(0), d = splat(0);
  for (let turns = width >> 2; turns > 0; turns--) {
    const query = v128.load(q);
    a = multiplyAdd(query, v128.load(k), a);
    b = multiplyAdd(query, v128.load(k1), b);
    c = multiplyAdd(query, v128.load(k2), c);
    d = multiplyAdd(query, v128.load(k3), d);
    q += 16;
    k += 16; k1 += 16; k2 += 16; k3 += 16;
  }
  const rest = width & 3;
  store<f32>(out, addRest(horizontalSum(a), q, k, rest));
  store<f32>(out, addRest(horizontalSum(b), q, k1, rest), 4);
  store<f32>(out, addRest(horizontalSum(c), q, k2, rest), 8);
  store<f32>(out, addRest(horizontalSum(d), q, k3, rest), 12);
}

/** scores[p] = q·key[p] · scale for `count` keys that lie one after the other. */
function scoreKeys(q: usize, key: usize, count: i32, rowBytes: usize, width: i32, scale: f32, scores: usize): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    dot4(q, key, rowBytes, width, scores);
    v128.store(scores, f32x4.mul(v128.load(scores), splat(scale)));
    key += rowBytes << 2;
    scores += 16;
  }
  for (; i < count; i++) {
    store<f32>(scores, dot1(q, key, width) * scale);
    key += rowBytes;
    scores += 4;
  }
}

export function largest(scores: usize, count: i32): f32 {
  let max = -f32.MAX_VALUE;
  for (let i = 0; i < count; i++) {
    const s = load<f32>(scores + (<usize>i << 2));
    if (s > max) max = s;
  }
  return max;
}

/** Turns scores[0 … count) into e^(score - max), pads to a multiple of 4 with what adds nothing, returns the sum. */
export function exponentiate(scores: usize, count: i32, max: f32): f32 {
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

/** out[32] = factor · Σ_p weights[p] · values[p][32], over the blocks of one sequence. */
function weigh32(
  weights: usize, count: i32, values: usize, table: usize, blockBytes: usize, rowBytes: usize, blockSize: i32, factor: f32, out: usize,
): void {
  let s0 = splat(0), s1 = splat(0), s2 = splat(0), s3 = splat(0), s4 = splat(0), s5 = splat(0), s6 = splat(0), s7 = splat(0);
  for (let start = 0; start < count; start += blockSize) {
    let v = values + <usize>load<i32>(table) * blockBytes;
    for (let left = min(blockSize, count - start); left > 0; left--) {
      const w = v128.load32_splat(weights);
      s0 = multiplyAdd(w, v128.load(v), s0);
      s1 = multiplyAdd(w, v128.load(v, 16), s1);
      s2 = multiplyAdd(w, v128.load(v, 32), s2);
      s3 = multiplyAdd(w, v128.load(v, 48), s3);
      s4 = multiplyAdd(w, v128.load(v, 64), s4);
      s5 = multiplyAdd(w, v128.load(v, 80), s5);
      s6 = multiplyAdd(w, v128.load(v, 96), s6);
      s7 = multiplyAdd(w, v128.load(v, 112), s7);
      v += rowBytes;
      weights += 4;
    }
    table += 4;
  }
  const f = splat(factor);
  v128.store(out, f32x4.mul(s0, f)); v128.store(out, f32x4.mul(s1, f), 16);
  v128.store(out, f32x4.mul(s2, f), 32); v128.store(out, f32x4.mul(s3, f), 48);
  v128.store(out, f32x4.mul(s4, f), 64); v128.store(out, f32x4.mul(s5, f), 80);
  v128.store(out, f32x4.mul(s6, f), 96); v128.store(out, f32x4.mul(s7, f), 112);
}

/** As weigh32, for four columns. */
function weigh4(
  weights: usize, count: i32, values: usize, table: usize, blockBytes: usize, rowBytes: usize, blockSize: i32, factor: f32, out: usize,
): void {
  let sums = splat(0);
  for (let start = 0; start < count; start += blockSize) {
    let v = values + <usize>load<i32>(table) * blockBytes;
    for (let left = min(blockSize, count - start); left > 0; left--) {
      sums = multiplyAdd(v128.load32_splat(weights), v128.load(v), sums);
      v += rowBytes;
      weights += 4;
    }
    table += 4;
  }
  v128.store(out, f32x4.mul(sums, splat(factor)));
}

/** As weigh32, for one column: the rest of a head whose width is no multiple of 4. */
function weigh1(
  weights: usize, count: i32, values: usize, table: usize, blockBytes: usize, rowBytes: usize, blockSize: i32, factor: f32, out: usize,
): void {
  let sum: f32 = 0;
  for (let start = 0; start < count; start += blockSize) {
    let v = values + <usize>load<i32>(table) * blockBytes;
    for (let left = min(blockSize, count - start); left > 0; left--) {
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

  for (let start = 0; start < count; start += blockSize) {
    const block = load<i32>(table + (<usize>(start / blockSize) << 2));
    const key = pointer(control, 1) + <usize>block * blockBytes + headAt;
    scoreKeys(query, key, min(blockSize, count - start), rowBytes, headWidth, scale, scores + (<usize>start << 2));
  }
  const factor: f32 = <f32>1 / exponentiate(scores, count, largest(scores, count));

  const values = pointer(control, 2) + headAt;
  const out = pointer(control, 6) + (<usize>row * <usize>heads + <usize>head) * rowBytes;
  let column = 0;
  for (; column + 32 <= headWidth; column += 32) {
    const at = <usize>column << 2;
    weigh32(scores, count, values + at, table, blockBytes, rowBytes, blockSize, factor, out + at);
  }
  for (; column + 4 <= headWidth; column += 4) {
    const at = <usize>column << 2;
    weigh4(scores, count, values + at, table, blockBytes, rowBytes, blockSize, factor, out + at);
  }
  for (; column < headWidth; column++) {
    const at = <usize>column << 2;
    weigh1(scores, count, values + at, table, blockBytes, rowBytes, blockSize, factor, out + at);
  }
}

/**
 * With rowsFirst a chunk goes through the rows of one head, then the next head: rows of one sequence then find its keys
 * and values still in the cache. Otherwise through the heads of one row, which lie side by side in memory.
 */
export function runAttention(control: usize, chunk: i32, thread: i32): void {
  const rows = getArgument(control, 9);
  const heads = getArgument(control, 10);
  const perChunk = getArgument(control, 15);
  const rowsFirst = getArgument(control, 16) != 0;
  const scores = pointer(control, 7) + <usize>thread * (<usize>getArgument(control, 14) << 2);
  const end = min((chunk + 1) * perChunk, rows * heads);
  for (let item = chunk * perChunk; item < end; item++) {
    if (rowsFirst) attendHead(control, item % rows, item / rows, scores);
    else attendHead(control, item / heads, item % heads, scores);
  }
}
