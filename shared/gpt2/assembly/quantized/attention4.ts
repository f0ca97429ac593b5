/**
 * Attention over a KV cache of 4-bit integers (kv4.ts), as attention.ts does it over one of 8 bits. Scores and sums of values are
 * those of the rotated head, whose query is rotated alike and whose result is turned back. Products are taken of the nibbles n;
 * 2n - 15 follows exactly from their sums.
 */
import { exponentiate } from '../attention';
import { multiplyAdd, splat } from '../vector-math';
import { inverseScale, laneMask, largestLane } from './activations';
import { largestScore, placeOf, quantizeQuery, quantizeWeights, SPAN, sumEnd, WEIGHT_LIMIT } from './attention';
import { scalesOf, scaleWords } from './kv4';
import { float, Layer, Plan, pointer, Step, word } from './plan';
import { loadRotated, rotate, rotationSize } from './rotation';

/** sum + Σ of neighbouring products with the nibbles that `shift` and `mask` leave of every word. */
@inline
function dotNibbles(words: v128, shift: i32, inputs: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(v128.and(i16x8.shr_u(words, shift), i16x8.splat(15)), inputs));
}

/** sums [8][2] += Σ inputs · nibbles for a panel of eight positions. */
function tileNibbles(x: usize, w: usize, stride: i32, sums: usize): void {
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  for (const end = w + (<usize>stride << 2); w < end; w += 64) {
    const w0 = v128.load(w), w1 = v128.load(w, 16), w2 = v128.load(w, 32), w3 = v128.load(w, 48);
    let u = v128.load64_splat(x);
    a0 = dotNibbles(w0, 0, u, a0); a1 = dotNibbles(w1, 0, u, a1); a2 = dotNibbles(w2, 0, u, a2); a3 = dotNibbles(w3, 0, u, a3);
    u = v128.load64_splat(x, 8);
    a0 = dotNibbles(w0, 4, u, a0); a1 = dotNibbles(w1, 4, u, a1); a2 = dotNibbles(w2, 4, u, a2); a3 = dotNibbles(w3, 4, u, a3);
    u = v128.load64_splat(x, 16);
    a0 = dotNibbles(w0, 8, u, a0); a1 = dotNibbles(w1, 8, u, a1); a2 = dotNibbles(w2, 8, u, a2); a3 = dotNibbles(w3, 8, u, a3);
    u = v128.load64_splat(x, 24);
    a0 = dotNibbles(w0, 12, u, a0); a1 = dotNibbles(w1, 12, u, a1); a2 = dotNibbles(w2, 12, u, a2); a3 = dotNibbles(w3, 12, u, a3);
    x += 32;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
}

/** (2 · sum - offset) · scale of four positions. */
@inline
function ownScores(sums: usize, offset: v128, words: v128, factor: v128): v128 {
  const low = v128.load(sums), high = v128.load(sums, 16);
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  const odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  const exact = i32x4.sub(i32x4.shl(i32x4.add(even, odd), 1), offset);
  return f32x4.mul(f32x4.convert_i32x4_s(exact), f32x4.mul(scalesOf(words), factor));
}

/** `first` for the keys that are relative to the first of their panel. */
@inline
function whereRelative(words: v128, first: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(words, 16), 31), first);
}

/** scores[p] for `count` positions of one block, eight at a time. Writes up to 7 scores too many. */
function scoreKeys4(
  q: usize, offset: i32, keys: usize, scales: usize, count: i32, stride: i32, queryScale: f32, sums: usize, scores: usize,
): void {
  const factor = splat(queryScale);
  const offsets = i32x4.splat(offset);
  for (; count > 0; count -= 8) {
    tileNibbles(q, keys, stride, sums);
    const lowWords = scaleWords(scales), highWords = scaleWords(scales + 8);
    const low = ownScores(sums, offsets, lowWords, factor);
    const high = ownScores(sums + 32, offsets, highWords, factor);
    const first = v128.shuffle<f32>(low, low, 0, 0, 0, 0);
    v128.store(scores, f32x4.add(low, whereRelative(lowWords, first)));
    v128.store(scores, f32x4.add(high, whereRelative(highWords, first)), 16);
    keys += <usize>stride << 2;
    scales += 16;
    scores += 32;
  }
}

/** weights[p] *= valueScales[p] over the blocks of one sequence; returns the largest. Weights from `count` on stay 0. */
function scaleWeights4(weights: usize, count: i32, scales: usize, table: usize, blockScales: usize, blockSize: i32): f32 {
  let most = splat(0);
  for (let start = 0; start < count; start += blockSize) {
    let scale = scales + <usize>load<i32>(table) * blockScales;
    for (let left = min(blockSize, count - start); left > 0; left -= 4) {
      const product = f32x4.mul(v128.load(weights), v128.and(scalesOf(scaleWords(scale)), laneMask(left)));
      v128.store(weights, product);
      most = f32x4.max(most, product);
      weights += 16;
      scale += 8;
    }
    table += 4;
  }
  return largestLane(most);
}

/** Sum of `count` 16-bit integers. */
function sumShorts(x: usize, count: i32): i32 {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += load<i16>(x + (<usize>i << 1));
  return sum;
}

/** sums [4][plane / 4 of 4] += Σ weights · nibbles of 32 columns for pairs of positions; `plane` bytes lie between the sums of two nibbles. */
function addNibbles32(weights: usize, values: usize, pairs: i32, pairBytes: usize, sums: usize, plane: usize): void {
  const second = sums + plane, third = second + plane, fourth = third + plane;
  let s0 = v128.load(sums), s1 = v128.load(sums, 16), s2 = v128.load(second), s3 = v128.load(second, 16);
  let s4 = v128.load(third), s5 = v128.load(third, 16), s6 = v128.load(fourth), s7 = v128.load(fourth, 16);
  for (; pairs > 0; pairs--) {
    const w = v128.load32_splat(weights);
    const a = v128.load(values), b = v128.load(values, 16);
    s0 = dotNibbles(a, 0, w, s0); s1 = dotNibbles(b, 0, w, s1);
    s2 = dotNibbles(a, 4, w, s2); s3 = dotNibbles(b, 4, w, s3);
    s4 = dotNibbles(a, 8, w, s4); s5 = dotNibbles(b, 8, w, s5);
    s6 = dotNibbles(a, 12, w, s6); s7 = dotNibbles(b, 12, w, s7);
    weights += 4;
    values += pairBytes;
  }
  v128.store(sums, s0); v128.store(sums, s1, 16); v128.store(second, s2); v128.store(second, s3, 16);
  v128.store(third, s4); v128.store(third, s5, 16); v128.store(fourth, s6); v128.store(fourth, s7, 16);
}

/** As addNibbles32, for 16 columns. */
function addNibbles16(weights: usize, values: usize, pairs: i32, pairBytes: usize, sums: usize, plane: usize): void {
  const second = sums + plane, third = second + plane, fourth = third + plane;
  let s0 = v128.load(sums), s1 = v128.load(second), s2 = v128.load(third), s3 = v128.load(fourth);
  for (; pairs > 0; pairs--) {
    const w = v128.load32_splat(weights);
    const a = v128.load(values);
    s0 = dotNibbles(a, 0, w, s0); s1 = dotNibbles(a, 4, w, s1);
    s2 = dotNibbles(a, 8, w, s2); s3 = dotNibbles(a, 12, w, s3);
    weights += 4;
    values += pairBytes;
  }
  v128.store(sums, s0); v128.store(second, s1); v128.store(third, s2); v128.store(fourth, s3);
}

function addNibbles(weights: usize, values: usize, pairs: i32, stride: i32, sums: usize): void {
  let column = 0;
  for (; column + 32 <= stride; column += 32) {
    addNibbles32(weights, values + <usize>column, pairs, stride, sums + <usize>column, stride);
  }
  if (column < stride) addNibbles16(weights, values + <usize>column, pairs, stride, sums + <usize>column, stride);
}

/** out[i] += (2 · sums[i] - 15 · total) · factor, then sums[i] = 0. */
function flushSums4(sums: usize, total: i32, out: usize, stride: i32, factor: f32): void {
  const factors = splat(factor);
  const offset = i32x4.splat(15 * total);
  for (let i = 0; i < stride; i += 4) {
    const exact = i32x4.sub(i32x4.shl(v128.load(sums), 1), offset);
    v128.store(out, multiplyAdd(f32x4.convert_i32x4_s(exact), factors, v128.load(out)));
    v128.store(sums, i32x4.splat(0));
    sums += 16;
    out += 16;
  }
}

export function attendHead4(plan: usize, layer: usize, step: usize, row: i32, head: i32, scratch: usize): void {
  const heads = word(plan, Plan.HEADS);
  const headWidth = word(plan, Plan.HEAD_WIDTH);
  const stride = word(plan, Plan.HEAD_STRIDE);
  const blockSize = word(plan, Plan.BLOCK_SIZE);
  const half = <usize>(stride >> 1);
  const headPlace = <usize>head * <usize>blockSize;
  const blockPlaces = <usize>heads * <usize>blockSize;
  const sequence = load<i32>(pointer(step, Step.SEQUENCES) + (<usize>row << 2));
  const count = load<i32>(pointer(step, Step.POSITIONS) + (<usize>row << 2)) + 1;
  const table = pointer(step, Step.TABLES) + <usize>sequence * (<usize>word(step, Step.TABLE_WIDTH) << 2);
  const query = scratch;
  const sums = query + (<usize>stride << 1);
  const floats = sums + (<usize>stride << 2);
  const natural = floats + (<usize>stride << 2);
  const scores = natural + (<usize>stride << 2);
  const unrotated: f32 = <f32>1 / <f32>rotationSize(stride);

  loadRotated(pointer(step, Step.QKV) + (<usize>row * 3 * <usize>heads + <usize>head) * (<usize>headWidth << 2), headWidth, stride, natural);
  const queryScale: f32 = quantizeQuery(natural, stride, stride, query) * float(layer, Layer.SCORE_SCALE) * unrotated;
  const offset = 15 * sumShorts(query, stride);
  for (let start = 0; start < count; start += blockSize) {
    const place = placeOf(start, table, blockSize, blockPlaces) + headPlace;
    scoreKeys4(
      query, offset, pointer(layer, Layer.KEYS) + place * half, pointer(layer, Layer.KEY_SCALES) + (place << 1),
      min(blockSize, count - start), stride, queryScale, sums, scores + (<usize>start << 2),
    );
  }
  const total = exponentiate(scores, count, largestScore(scores, count));
  const valueScales = pointer(layer, Layer.VALUE_SCALES) + (headPlace << 1);
  const most = scaleWeights4(scores, count, valueScales, table, blockPlaces << 1, blockSize);
  quantizeWeights(scores, count, inverseScale(most, WEIGHT_LIMIT));

  memory.fill(sums, 0, <usize>stride << 3);
  const factor: f32 = most / WEIGHT_LIMIT / total * unrotated;
  let weightSum = 0;
  for (let start = 0; start < count; ) {
    const end = sumEnd(start, count, blockSize);
    const place = placeOf(start, table, blockSize, blockPlaces) + headPlace;
    const weights = scores + (<usize>start << 1);
    addNibbles(weights, pointer(layer, Layer.VALUES) + place * half, (end - start + 1) >> 1, stride, sums);
    weightSum += sumShorts(weights, end - start);
    if (end % SPAN == 0 || end == count) {
      flushSums4(sums, weightSum, floats, stride, factor);
      weightSum = 0;
    }
    start = end;
  }
  // Sums lie by nibbles: [4][stride / 16][4].
  for (let i = 0; i < stride; i += 4) {
    const from = ((i % 16) / 4) * (stride / 4) + (i / 16) * 4;
    v128.store(natural + (<usize>i << 2), v128.load(floats + (<usize>from << 2)));
  }
  rotate(natural, stride);
  memory.copy(
    pointer(step, Step.ATTENDED) + (<usize>row * <usize>heads + <usize>head) * (<usize>headWidth << 2), natural,
    <usize>headWidth << 2,
  );
}
