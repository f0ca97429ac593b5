/**
 * Causal attention of ragged rows over a paged KV cache of 8-bit integers. A row's query becomes 12-bit integers, so every score
 * is one exact integer product and a scale. The weights of the softmax, each times its value's scale, become 15-bit integers
 * against the row's largest, so the values are summed as integers too, over spans of 256 positions counted from the sequence's
 * start. What is left in floats has one order, given by the positions alone: neither chunks nor block numbers change a bit.
 */
import { exponentiate } from '../attention';
import { multiplyAdd, splat } from '../vector-math';
import { inverseScale, laneMask, largestLane, largestMagnitude, LIMIT, loadQuad, quantizeQuad } from './activations';
import { foldColumns, tile1 } from './tiles';
import { float, Layer, Plan, pointer, Step, word } from './plan';

/** Positions summed as integers: 256 · 32767 · 127 < 2^31. */
export const SPAN: i32 = 256;
export const WEIGHT_LIMIT: f32 = 32767;

/** Place in the cache, of its head's first, at which a position's key and value lie. */
@inline
export function placeOf(position: i32, table: usize, blockSize: i32, blockPlaces: usize): usize {
  const block = load<i32>(table + (<usize>(position / blockSize) << 2));
  return <usize>block * blockPlaces + <usize>(position % blockSize);
}

/** Where the positions from `start` on end whose values are summed together: with their block or their span, or with the last. */
@inline
export function sumEnd(start: i32, count: i32, blockSize: i32): i32 {
  return min(min((start / blockSize + 1) * blockSize, (start / SPAN + 1) * SPAN), count);
}

/** The query as integers, [headWidth rounded up to 16] i16, zero beyond the head's width; returns its scale. */
export function quantizeQuery(q: usize, width: i32, stride: i32, to: usize): f32 {
  const largestValue = largestMagnitude(q, width);
  const inverse = splat(inverseScale(largestValue, LIMIT));
  for (let i = 0; i < stride; i += 4) {
    const values = i < width ? loadQuad(q + (<usize>i << 2), width - i) : splat(0);
    const integers = quantizeQuad(values, inverse);
    v128.store64_lane(to + (<usize>i << 1), i16x8.narrow_i32x4_s(integers, integers), 0);
  }
  return largestValue / LIMIT;
}

/**
 * scores[p] = (q·key[p]) · (keyScale[p] · queryScale) for `count` positions of one block, eight at a time: keys lie as a
 * matrix' weights do, positions for columns, so a tile of linear.ts is the product. Writes up to 7 scores too many.
 */
function scoreKeys8(q: usize, keys: usize, keyScales: usize, count: i32, stride: i32, queryScale: f32, sums: usize, scores: usize): void {
  const factor = splat(queryScale);
  for (; count > 0; count -= 8) {
    tile1(q, keys, stride, sums);
    const low = foldColumns(v128.load(sums), v128.load(sums, 16));
    const high = foldColumns(v128.load(sums, 32), v128.load(sums, 48));
    v128.store(scores, f32x4.mul(low, f32x4.mul(v128.load(keyScales), factor)));
    v128.store(scores, f32x4.mul(high, f32x4.mul(v128.load(keyScales, 16), factor)), 16);
    keys += <usize>stride << 3;
    keyScales += 32;
    scores += 32;
  }
}

/** Largest of `count` scores. */
export function largestScore(scores: usize, count: i32): f32 {
  const least = splat(-f32.MAX_VALUE);
  let most = least;
  for (; count > 0; count -= 4) {
    const quad = v128.load(scores);
    most = f32x4.max(most, count >= 4 ? quad : v128.bitselect(quad, least, laneMask(count)));
    scores += 16;
  }
  return largestLane(most);
}

/** weights[p] *= valueScales[p] over the blocks of one sequence; returns the largest. Weights from `count` on stay 0. */
function scaleWeights(weights: usize, count: i32, scales: usize, table: usize, blockScales: usize, blockSize: i32): f32 {
  let most = splat(0);
  for (let start = 0; start < count; start += blockSize) {
    let scale = scales + <usize>load<i32>(table) * blockScales;
    for (let left = min(blockSize, count - start); left > 0; left -= 4) {
      const product = f32x4.mul(v128.load(weights), v128.and(v128.load(scale), laneMask(left)));
      v128.store(weights, product);
      most = f32x4.max(most, product);
      weights += 16;
      scale += 16;
    }
    table += 4;
  }
  return largestLane(most);
}

/** [count] floats to i16, in place: the integers take the front half of the room. */
export function quantizeWeights(weights: usize, count: i32, inverse: f32): void {
  const factor = splat(inverse);
  let to = weights;
  for (let i = 0; i < count; i += 4) {
    const integers = quantizeQuad(v128.load(weights), factor);
    v128.store64_lane(to, i16x8.narrow_i32x4_s(integers, integers), 0);
    weights += 16;
    to += 8;
  }
}

@inline
function addPair(values: usize, weights: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(v128.load8x8_s(values), weights));
}

/**
 * sums[16] += Σ_p weights[p] · values[p][16] for positions from … to of one block, by pairs. The weight of a position beyond the
 * end is 0, whatever bytes lie there.
 */
function sumValues(weights: usize, values: usize, pairs: i32, pairBytes: usize, sums: usize): void {
  let s0 = v128.load(sums), s1 = v128.load(sums, 16), s2 = v128.load(sums, 32), s3 = v128.load(sums, 48);
  for (; pairs > 0; pairs--) {
    const w = v128.load32_splat(weights);
    s0 = addPair(values, w, s0);
    s1 = addPair(values + 8, w, s1);
    s2 = addPair(values + 16, w, s2);
    s3 = addPair(values + 24, w, s3);
    weights += 4;
    values += pairBytes;
  }
  v128.store(sums, s0); v128.store(sums, s1, 16); v128.store(sums, s2, 32); v128.store(sums, s3, 48);
}

/** As sumValues, for 64 columns. */
function sumValues64(weights: usize, values: usize, pairs: i32, pairBytes: usize, sums: usize): void {
  let s0 = v128.load(sums), s1 = v128.load(sums, 16), s2 = v128.load(sums, 32), s3 = v128.load(sums, 48);
  let s4 = v128.load(sums, 64), s5 = v128.load(sums, 80), s6 = v128.load(sums, 96), s7 = v128.load(sums, 112);
  let t0 = v128.load(sums, 128), t1 = v128.load(sums, 144), t2 = v128.load(sums, 160), t3 = v128.load(sums, 176);
  let t4 = v128.load(sums, 192), t5 = v128.load(sums, 208), t6 = v128.load(sums, 224), t7 = v128.load(sums, 240);
  for (; pairs > 0; pairs--) {
    const w = v128.load32_splat(weights);
    s0 = addPair(values, w, s0); s1 = addPair(values + 8, w, s1);
    s2 = addPair(values + 16, w, s2); s3 = addPair(values + 24, w, s3);
    s4 = addPair(values + 32, w, s4); s5 = addPair(values + 40, w, s5);
    s6 = addPair(values + 48, w, s6); s7 = addPair(values + 56, w, s7);
    t0 = addPair(values + 64, w, t0); t1 = addPair(values + 72, w, t1);
    t2 = addPair(values + 80, w, t2); t3 = addPair(values + 88, w, t3);
    t4 = addPair(values + 96, w, t4); t5 = addPair(values + 104, w, t5);
    t6 = addPair(values + 112, w, t6); t7 = addPair(values + 120, w, t7);
    weights += 4;
    values += pairBytes;
  }
  v128.store(sums, s0); v128.store(sums, s1, 16); v128.store(sums, s2, 32); v128.store(sums, s3, 48);
  v128.store(sums, s4, 64); v128.store(sums, s5, 80); v128.store(sums, s6, 96); v128.store(sums, s7, 112);
  v128.store(sums, t0, 128); v128.store(sums, t1, 144); v128.store(sums, t2, 160); v128.store(sums, t3, 176);
  v128.store(sums, t4, 192); v128.store(sums, t5, 208); v128.store(sums, t6, 224); v128.store(sums, t7, 240);
}

function sumColumns(weights: usize, values: usize, pairs: i32, stride: i32, sums: usize): void {
  const pairBytes = <usize>stride << 1;
  let column = 0;
  for (; column + 64 <= stride; column += 64) {
    sumValues64(weights, values + (<usize>column << 1), pairs, pairBytes, sums + (<usize>column << 2));
  }
  for (; column < stride; column += 16) {
    sumValues(weights, values + (<usize>column << 1), pairs, pairBytes, sums + (<usize>column << 2));
  }
}

/** out[i] += sums[i] · factor, then sums[i] = 0. */
function flushSums(sums: usize, out: usize, stride: i32, factor: f32): void {
  const factors = splat(factor);
  for (let i = 0; i < stride; i += 4) {
    v128.store(out, multiplyAdd(f32x4.convert_i32x4_s(v128.load(sums)), factors, v128.load(out)));
    v128.store(sums, i32x4.splat(0));
    sums += 16;
    out += 16;
  }
}

/** Per thread: query, integer sums, float sums, with 4 bits the rotated head, then the scores. */
@inline
export function attentionScratchBytes(stride: i32, tableWidth: i32, blockSize: i32): i32 {
  return stride * 14 + tableWidth * blockSize * 4 + 64;
}

export function attendHead8(plan: usize, layer: usize, step: usize, row: i32, head: i32, scratch: usize): void {
  const heads = word(plan, Plan.HEADS);
  const headWidth = word(plan, Plan.HEAD_WIDTH);
  const stride = word(plan, Plan.HEAD_STRIDE);
  const blockSize = word(plan, Plan.BLOCK_SIZE);
  const headPlace = <usize>head * <usize>blockSize;
  const blockPlaces = <usize>heads * <usize>blockSize;
  const sequence = load<i32>(pointer(step, Step.SEQUENCES) + (<usize>row << 2));
  const count = load<i32>(pointer(step, Step.POSITIONS) + (<usize>row << 2)) + 1;
  const table = pointer(step, Step.TABLES) + <usize>sequence * (<usize>word(step, Step.TABLE_WIDTH) << 2);
  const query = scratch;
  const sums = query + (<usize>stride << 1);
  const floats = sums + (<usize>stride << 2);
  const scores = floats + (<usize>stride << 2);

  const q = pointer(step, Step.QKV) + (<usize>row * 3 * <usize>heads + <usize>head) * (<usize>headWidth << 2);
  const queryScale: f32 = quantizeQuery(q, headWidth, stride, query) * float(layer, Layer.SCORE_SCALE);
  for (let start = 0; start < count; start += blockSize) {
    const place = placeOf(start, table, blockSize, blockPlaces) + headPlace;
    scoreKeys8(
      query, pointer(layer, Layer.KEYS) + place * <usize>stride, pointer(layer, Layer.KEY_SCALES) + (place << 2),
      min(blockSize, count - start), stride, queryScale, sums, scores + (<usize>start << 2),
    );
  }
  const total = exponentiate(scores, count, largestScore(scores, count));
  const most = scaleWeights(scores, count, pointer(layer, Layer.VALUE_SCALES) + (headPlace << 2), table, blockPlaces << 2, blockSize);
  quantizeWeights(scores, count, inverseScale(most, WEIGHT_LIMIT));

  memory.fill(sums, 0, <usize>stride << 3);
  const factor: f32 = most / WEIGHT_LIMIT / total;
  for (let start = 0; start < count; ) {
    const end = sumEnd(start, count, blockSize);
    const place = placeOf(start, table, blockSize, blockPlaces) + headPlace;
    sumColumns(scores + (<usize>start << 1), pointer(layer, Layer.VALUES) + place * <usize>stride, (end - start + 1) >> 1, stride, sums);
    if (end % SPAN == 0 || end == count) flushSums(sums, floats, stride, factor);
    start = end;
  }
  memory.copy(
    pointer(step, Step.ATTENDED) + (<usize>row * <usize>heads + <usize>head) * (<usize>headWidth << 2), floats,
    <usize>headWidth << 2,
  );
}
