/**
 * Attention over a KV cache of 4-bit integers, as attention.h does it over one of 8 bits. Scores and sums of values are those of the rotated head, whose query is rotated alike
 * and whose result is turned back. Products are taken of the nibbles n; 2n - 15 follows exactly from their sums.
 * Included inside the namespace of an instruction set.
 */

INLINE i4 scale_words(const uint16_t* scales) { return __builtin_convertvector(load<u4>(scales), i4); }

INLINE f4 scales4(const uint16_t* scales) { return (f4)((scale_words(scales) & 0x7fff) << 16); }

/** A rotated query as integers, zero beyond the head's width; returns its scale. */
INLINE float quantize_rotated(const float* x, int32_t stride, int16_t* to) {
  const float largest = largest_magnitude(x, stride);
  const float inverse = inverse_scale(largest, kLimit12);
  for (int32_t i = 0; i < stride; i += 8) store(to + i, to_shorts(nearest(load<f8>(x + i) * inverse)));
  return largest / kLimit12;
}

INLINE int32_t sum_shorts(const int16_t* x, int32_t count) {
  int32_t sum = 0;
  for (int32_t i = 0; i < count; i++) sum += x[i];
  return sum;
}

/** Four scores as if no key were relative. */
INLINE f4 own_scores(const int32_t* sums, int32_t offset, const uint16_t* scales, float query_scale) {
  const i4 exact = load<i4>(sums) * 2 - offset;
  return __builtin_convertvector(exact, f4) * (scales4(scales) * query_scale);
}

/** `first` for the keys that are relative to the first of their panel. */
INLINE f4 where_relative(const uint16_t* scales, float first) { return (f4)(((scale_words(scales) << 16) >> 31) & (i4)splat<f4>(first)); }

/** scores[p] for `count` positions of one block, eight at a time. Writes up to 7 scores too many. */
INLINE void score_keys4(const int16_t* q, int32_t offset, const uint8_t* keys, const uint16_t* scales, int32_t count, int32_t stride, float query_scale,
                        float* scores) {
  for (; count > 0; count -= kPanel, keys += (size_t)stride / 2 * kPanel, scales += kPanel, scores += kPanel) {
    int32_t sums[kPanel];
    tile_nibbles(q, keys, stride / 16, sums);
    const f4 low = own_scores(sums, offset, scales, query_scale);
    const f4 high = own_scores(sums + 4, offset, scales + 4, query_scale);
    const float first = low[0];
    store(scores, low + where_relative(scales, first));
    store(scores + 4, high + where_relative(scales + 4, first));
  }
}

/** As scale_weights. */
INLINE float scale_weights4(float* weights, int32_t count, const uint16_t* scales, const int32_t* table, size_t block_scales, int32_t block_size) {
  f4 most = splat<f4>(0);
  for (int32_t start = 0; start < count; start += block_size, table++) {
    const uint16_t* scale = scales + *table * block_scales;
    const int32_t end = least(block_size, count - start);
    for (int32_t i = 0; i < end; i += 4, weights += 4) {
      f4 product = load<f4>(weights) * scales4(scale + i);
      for (int32_t k = end - i; k < 4; k++) product[k] = 0;
      store(weights, product);
      most = larger(most, product);
    }
  }
  store(weights, splat<f4>(0));
  const float a = most[0] > most[2] ? most[0] : most[2];
  const float b = most[1] > most[3] ? most[1] : most[3];
  return a > b ? a : b;
}

/** out[i] += (2 · sums[i] - 15 · total) · factor, then sums[i] = 0. */
INLINE void flush_sums4(int32_t* sums, int32_t total, float* out, int32_t stride, float factor) {
  const int32_t offset = 15 * total;
  for (int32_t i = 0; i < stride; i += 4) {
    const i4 exact = load<i4>(sums + i) * 2 - offset;
    store(out + i, __builtin_convertvector(exact, f4) * factor + load<f4>(out + i));
    store(sums + i, i4{});
  }
}

static void attend_head4(const Model& model, const Step& step, const Layer& layer, int32_t row, int32_t head, uint8_t* scratch) {
  const int32_t stride = model.head_stride;
  const CachedHead cached(model, step, row, head);
  const int32_t block_size = cached.block_size;
  const int32_t count = cached.count;
  auto* query = (int16_t*)scratch;
  auto* sums = (int32_t*)(query + stride);
  auto* floats = (float*)(sums + stride);
  float* natural = floats + stride;
  float* scores = natural + stride;
  const float unrotated = 1.0f / (float)rotation_size(stride);

  load_rotated(step.qkv + (size_t)row * 3 * model.width + (size_t)head * model.head_width, model.head_width, stride, natural);
  const float query_scale = quantize_rotated(natural, stride, query) * layer.score_scale * unrotated;
  const int32_t offset = 15 * sum_shorts(query, stride);
  for (int32_t start = 0; start < count; start += block_size) {
    const size_t place = cached.place(start);
    score_keys4(query, offset, (const uint8_t*)layer.keys + place * (stride / 2), layer.key_scales4 + place, least(block_size, count - start), stride,
                query_scale, scores + start);
  }
  const float total = exponentiate(scores, count, largest_score(scores, count));
  const float most = scale_weights4(scores, count, layer.value_scales4 + cached.head_place, cached.table, cached.block_places, block_size);
  quantize_weights(scores, count, inverse_scale(most, kWeightLimit));

  __builtin_memset(sums, 0, (size_t)stride * 8);
  const float factor = most / kWeightLimit / total * unrotated;
  const auto* weights = (const int16_t*)scores;
  int32_t weight_sum = 0;
  for (int32_t start = 0; start < count;) {
    const int32_t end = cached.sum_end(start);
    const size_t place = cached.place(start);
    add_nibbles(weights + start, (const uint8_t*)layer.values + place * (stride / 2), (end - start + 1) >> 1, stride, sums);
    weight_sum += sum_shorts(weights + start, end - start);
    if (end % kSpan == 0 || end == count) {
      flush_sums4(sums, weight_sum, floats, stride, factor);
      weight_sum = 0;
    }
    start = end;
  }
  // Sums lie by nibbles: [4][stride / 16][4].
  for (int32_t i = 0; i < stride; i += 4) store(natural + i, load<f4>(floats + i % 16 / 4 * (stride / 4) + i / 16 * 4));
  rotate(natural, stride);
  __builtin_memcpy(step.attended + (size_t)row * model.width + (size_t)head * model.head_width, natural, (size_t)model.head_width * 4);
}
