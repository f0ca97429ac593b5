/**
 * softmax(scale · q·Kᵀ)·V of each row over its own sequence's past, itself included: [n_rows, n_embd] -> [n_rows, n_embd]. One workgroup takes one row and one
 * head, and goes through the past in tiles of 64 positions counted from the sequence's start, with an online soft-max (Milakov and Gimelshein 2018). Positions are found through
 * the sequence's block table, so sequences of any lengths share a step and none is padded; block size and block numbers change no operation.
 */
import { powerOfTwoFrom, QUAD, quadsOf } from '../layout.ts';
import { BATCH, type ComputeKernel, constants, float, reads, writes } from './kernel.ts';

export interface AttentionShape {
  readonly heads: number;
  readonly headWidth: number;
  readonly blockSize: number;
  /** Of the scores, 1/√(head width) as a rule. */
  readonly scale: number;
  /** Floats from one row of `out` to the next. */
  readonly outStride: number;
}

/** Positions of a tile, and threads that score one each. */
const TILE = 64;
/** A thread sums one vector of the head. */
export const MOST_HEAD_WIDTH = QUAD * TILE;

export const attentionKernel: ComputeKernel<AttentionShape> = {
  name: 'InkwellRaggedAttention',
  bindings: () => [
    BATCH,
    reads('tables', 'i32'),
    reads('queries', 'vec4<f32>'),
    reads('keys', 'vec4<f32>'),
    reads('values', 'vec4<f32>'),
    writes('out', 'f32'),
  ],
  groups: ({ heads }, rows) => [rows, heads],
  code({ heads, headWidth, blockSize, scale, outStride }) {
    const lanes = powerOfTwoFrom(quadsOf(headWidth));
    return `
${constants({
  TILE,
  HEADS: heads,
  HEAD_WIDTH: headWidth,
  HEAD_QUADS: quadsOf(headWidth),
  BLOCK_SIZE: blockSize,
  OUT_STRIDE: outStride,
  LANES: lanes,
  PARTIES: TILE / lanes,
})}
const LOWEST = -3.0e38;
var<workgroup> query: array<vec4<f32>, HEAD_QUADS>;
var<workgroup> places: array<u32, TILE>;
var<workgroup> weights: array<f32, TILE>;
var<workgroup> scratch: array<f32, TILE>;
var<workgroup> sums: array<vec4<f32>, TILE>;

fn largest(local: u32, value: f32) -> f32 {
  workgroupBarrier();
  scratch[local] = value;
  for (var distance = TILE / 2u; distance > 0u; distance /= 2u) {
    workgroupBarrier();
    if (local < distance) { scratch[local] = max(scratch[local], scratch[local + distance]); }
  }
  workgroupBarrier();
  return scratch[0];
}

fn total(local: u32, value: f32) -> f32 {
  workgroupBarrier();
  scratch[local] = value;
  for (var distance = TILE / 2u; distance > 0u; distance /= 2u) {
    workgroupBarrier();
    if (local < distance) { scratch[local] += scratch[local + distance]; }
  }
  workgroupBarrier();
  return scratch[0];
}

@compute @workgroup_size(TILE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let head = group.y;
  let entry = batch[1u + group.x];
  let table = u32(entry.w);
  let length = u32(entry.y) + 1u;
  let lane = local % LANES;
  let party = local / LANES;
  for (var quad = local; quad < HEAD_QUADS; quad += TILE) {
    query[quad] = queries[(group.x * HEADS + head) * HEAD_QUADS + quad];
  }
  var best = LOWEST;
  var sum = 0.0;
  var attended = vec4<f32>();
  for (var start = 0u; start < length; start += TILE) {
    workgroupBarrier();
    let position = start + local;
    var score = LOWEST;
    if (position < length) {
      let slot = u32(tables[table + position / BLOCK_SIZE]) * BLOCK_SIZE + position % BLOCK_SIZE;
      let at = (slot * HEADS + head) * HEAD_QUADS;
      places[local] = at;
      var products = vec4<f32>();
      for (var quad = 0u; quad < HEAD_QUADS; quad++) { products = fma(query[quad], keys[at + quad], products); }
      score = ((products.x + products.y) + (products.z + products.w)) * ${float(scale)};
    }
    let next = max(best, largest(local, score));
    let weight = select(0.0, exp(score - next), position < length);
    weights[local] = weight;
    // Limited, so that the first tile's is a number too.
    let correction = exp(max(best - next, -100.0));
    sum = fma(sum, correction, total(local, weight));
    attended *= correction;
    if (lane < HEAD_QUADS) {
      for (var t = party; t < TILE && start + t < length; t += PARTIES) {
        attended = fma(vec4<f32>(weights[t]), values[places[t] + lane], attended);
      }
    }
    best = next;
  }
  sums[local] = attended;
  for (var distance = TILE / 2u; distance >= LANES; distance /= 2u) {
    workgroupBarrier();
    if (local < distance) { sums[local] += sums[local + distance]; }
  }
  workgroupBarrier();
  for (var i = local; i < HEAD_WIDTH; i += TILE) {
    out[group.x * OUT_STRIDE + head * HEAD_WIDTH + i] = sums[i / 4u][i % 4u] / sum;
  }
}`;
  },
};
