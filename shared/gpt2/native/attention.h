/**
 * Causal attention of ragged rows over a paged KV cache of 8-bit integers, operation by operation what assembly/quantized/attention.ts does: scores
 * are exact integer products of a 12-bit query and 8-bit keys, the softmax's weights become 15-bit integers against the row's largest.
 * Included inside the namespace of an instruction set.
 */

/** Positions summed as integers: 256 · 32767 · 127 < 2^31. */
constexpr int32_t kSpan = 256;
constexpr float kWeightLimit = 32767;

INLINE int32_t least(int32_t a, int32_t b) { return a < b ? a : b; }

/** The query as integers, arranged for the tiles, zero beyond the head's width; returns its scale. */
INLINE float quantize_query(const float* q, int32_t width, int32_t stride, int16_t* to) {
  const float largest = largest_magnitude(q, width);
  const float inverse = inverse_scale(largest, kLimit12);
  for (int32_t i = 0; i < stride; i += 8) {
    s8 quads = {};
    for (int32_t k = 0; k < 8 && i + k < width; k++) quads[k] = (int16_t)rounded(q[i + k], inverse);
    store(to + i, arranged(quads));
  }
  return largest / kLimit12;
}

/** scores[p] for `count` positions of one block, eight at a time. Writes up to 7 scores too many. */
INLINE void score_keys(const int16_t* q, const int8_t* keys, const float* key_scales, int32_t count, int32_t stride, float query_scale,
                       float* scores) {
  for (; count > 0; count -= kPanel, keys += (size_t)stride * kPanel, key_scales += kPanel, scores += kPanel) {
    i8 sums;
    tile_int8<1>(q, keys, stride / 4, &sums);
    store(scores, to_floats(sums) * (load<f8>(key_scales) * query_scale));
  }
}

INLINE float largest_score(const float* scores, int32_t count) {
  f8 most = splat<f8>(-3.402823466e38f);
  int32_t i = 0;
  for (; i + 8 <= count; i += 8) most = larger(most, load<f8>(scores + i));
  float largest = largest_lane(most);
  for (; i < count; i++) largest = scores[i] > largest ? scores[i] : largest;
  return largest;
}

/** scores[p] = e^(score - max), padded to a multiple of 8 with what adds nothing; the sum, in four lanes in order of position. */
INLINE float exponentiate(float* scores, int32_t count, float max) {
  const int32_t fours = (count + 3) & ~3;
  const int32_t padded = (count + 7) & ~7;
  for (int32_t i = count; i < padded; i++) scores[i] = -3.402823466e38f;
  f4 sums = splat<f4>(0);
  for (int32_t i = 0; i < padded; i += 8) {
    const f8 e = exponential(load<f8>(scores + i) - max);
    store(scores + i, e);
    sums += low_half(e);
    if (i + 4 < fours) sums += high_half(e);
  }
  return sum_lanes(sums);
}

/** weights[p] *= value_scales[p] over the blocks of one sequence; returns the largest. Weights from `count` on become 0. */
INLINE float scale_weights(float* weights, int32_t count, const float* scales, const int32_t* table, size_t block_scales, int32_t block_size) {
  f8 most = splat<f8>(0);
  for (int32_t start = 0; start < count; start += block_size, table++) {
    const float* scale = scales + *table * block_scales;
    const int32_t end = least(block_size, count - start);
    for (int32_t i = 0; i < end; i += 8, weights += 8) {
      f8 product = load<f8>(weights) * load<f8>(scale + i);
      if (end - i < 8) product = first_lanes(product, end - i);
      store(weights, product);
      most = larger(most, product);
    }
  }
  return largest_lane(most);
}

/** [count] floats to i16, in place: the integers take the front half of the room. */
INLINE void quantize_weights(float* weights, int32_t count, float inverse) {
  auto* to = (int16_t*)weights;
  for (int32_t i = 0; i < count; i += 8) {
    store(to + i, to_shorts(nearest(load<f8>(weights + i) * inverse)));
  }
}

INLINE void flush_sums(int32_t* sums, float* out, int32_t stride, float factor) {
  for (int32_t i = 0; i < stride; i += 8) {
    store(out + i, to_floats(load<i8>(sums + i)) * factor + load<f8>(out + i));
    store(sums + i, i8{});
  }
}

INLINE size_t attention_scratch_bytes(int32_t stride, int32_t table_width, int32_t block_size) {
  return (size_t)stride * 14 + (size_t)table_width * block_size * 4 + 128;
}

/** Where the keys and values of one row's head lie. */
struct CachedHead {
  int32_t block_size;
  /** Positions that the row attends to. */
  int32_t count;
  size_t head_place;
  size_t block_places;
  const int32_t* table;

  CachedHead(const Model& model, const Step& step, int32_t row, int32_t head)
      : block_size(model.block_size),
        count(step.positions[row] + 1),
        head_place((size_t)head * model.block_size),
        block_places((size_t)model.heads * model.block_size),
        table(step.tables + (size_t)step.sequences[row] * step.table_width) {}

  size_t place(int32_t position) const { return table[position / block_size] * block_places + head_place + position % block_size; }

  /** Where the positions from `start` on end whose values are summed together: with their block or their span, or with the last. */
  int32_t sum_end(int32_t start) const {
    return least(least((start / block_size + 1) * block_size, (start / kSpan + 1) * kSpan), count);
  }
};

struct AttentionJob {
  const Model* model;
  const Step* step;
  const Layer* layer;
  int32_t per_chunk;
};

static void attend_head(const Model& model, const Step& step, const Layer& layer, int32_t row, int32_t head, uint8_t* scratch) {
  const int32_t stride = model.head_stride;
  const CachedHead cached(model, step, row, head);
  const int32_t block_size = cached.block_size;
  const int32_t count = cached.count;
  auto* query = (int16_t*)scratch;
  auto* sums = (int32_t*)(query + stride);
  auto* floats = (float*)(sums + stride);
  float* scores = floats + stride;

  const float* q = step.qkv + (size_t)row * 3 * model.width + (size_t)head * model.head_width;
  const float query_scale = quantize_query(q, model.head_width, stride, query) * layer.score_scale;
  for (int32_t start = 0; start < count; start += block_size) {
    const size_t place = cached.place(start);
    score_keys(query, layer.keys + place * stride, layer.key_scales + place, least(block_size, count - start), stride, query_scale,
               scores + start);
  }
  const float total = exponentiate(scores, count, largest_score(scores, count));
  const float most = scale_weights(scores, count, layer.value_scales + cached.head_place, cached.table, cached.block_places, block_size);
  quantize_weights(scores, count, inverse_scale(most, kWeightLimit));

  __builtin_memset(sums, 0, (size_t)stride * 8);
  const float factor = most / kWeightLimit / total;
  const auto* weights = (const int16_t*)scores;
  for (int32_t start = 0; start < count;) {
    const int32_t end = cached.sum_end(start);
    const size_t place = cached.place(start);
    add_values(weights + start, layer.values + place * stride, (end - start + 1) >> 1, stride, sums);
    if (end % kSpan == 0 || end == count) flush_sums(sums, floats, stride, factor);
    start = end;
  }
  __builtin_memcpy(step.attended + (size_t)row * model.width + (size_t)head * model.head_width, floats, (size_t)model.head_width * 4);
}

#include "attention4.h"

/** By rows of one head where a step holds many rows of a sequence, by heads of one row otherwise. */
static void run_attention(const void* context, int32_t chunk, int32_t thread) {
  const AttentionJob& job = *(const AttentionJob*)context;
  const Model& model = *job.model;
  const Step& step = *job.step;
  uint8_t* scratch = step.scratch + thread * step.scratch_bytes;
  const int32_t end = least((chunk + 1) * job.per_chunk, step.rows * model.heads);
  for (int32_t item = chunk * job.per_chunk; item < end; item++) {
    const int32_t row = step.rows_first ? item % step.rows : item / model.heads;
    const int32_t head = step.rows_first ? item / step.rows : item % model.heads;
    if (model.kv_bits == 4) attend_head4(model, step, *job.layer, row, head, scratch);
    else attend_head(model, step, *job.layer, row, head, scratch);
  }
}
