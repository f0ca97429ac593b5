/** The integer products of tiles-portable.h with AVX2: the sums are exact, so their order is free. */

/** Adds neighbouring pairs of two vectors that hold columns 0 to 3 and 4 to 7, two sums each. */
INLINE i8 fold_pairs(__m256i low, __m256i high) {
  return (i8)_mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xd8);
}

INLINE __m256i widen(const int8_t* at) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)at)); }

/** Keeps a sum in its register from here on: left alone, the compiler regroups the additions until it runs out of registers. */
INLINE void settle(__m256i& sum) { asm("" : "+x"(sum)); }

template <int R>
INLINE void tile_int8(const int16_t* x, const int8_t* w, int32_t quads, i8* sums) {
  __m256i low[R], high[R];
  each<R>(EACH_BODY { low[r] = high[r] = _mm256_setzero_si256(); });
  for (; quads > 0; quads--, w += 4 * kPanel, x += 4 * R) {
    _mm_prefetch((const char*)w + kPrefetchBytes, _MM_HINT_T0);
    const __m256i w0 = widen(w), w1 = widen(w + 16);
    each<R>(EACH_BODY {
      const __m256i inputs = _mm256_set1_epi64x(load<int64_t>(x + 4 * r));
      low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(w0, inputs));
      high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(w1, inputs));
      settle(low[r]);
      settle(high[r]);
    });
  }
  each<R>(EACH_BODY { sums[r] = fold_pairs(low[r], high[r]); });
}

template <int R>
INLINE void tile_w4(const uint8_t* x, const uint8_t* w, const uint8_t* scales, int32_t groups, i8* sums) {
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i totals[R];
  each<R>(EACH_BODY { totals[r] = _mm256_setzero_si256(); });
  for (; groups > 0; groups--, x += R * kGroupRowBytes, w += 16 * kPanel, scales += kPanel) {
    _mm_prefetch((const char*)w + kPrefetchBytes, _MM_HINT_T0);
    _mm_prefetch((const char*)w + kPrefetchBytes + 64, _MM_HINT_T0);
    // 16-bit sums wrap on the way, but the result fits: |Σ| ≤ 16 · 8 · 127.
    __m256i sum[R];
    each<R>(EACH_BODY { sum[r] = _mm256_set1_epi32(load<int32_t>(x + (kGroupQuads * R + r) * 4)); });
    each<4>([&](auto q) __attribute__((always_inline)) {
      const __m256i both = _mm256_loadu_si256((const __m256i*)(w + q * 4 * kPanel));
      const __m256i low = _mm256_and_si256(both, nibble);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
      each<R>(EACH_BODY {
        const __m256i inputs = _mm256_set1_epi32(load<int32_t>(x + (q * R + r) * 4));
        sum[r] = _mm256_add_epi16(sum[r], _mm256_maddubs_epi16(low, inputs));
        settle(sum[r]);
      });
      each<R>(EACH_BODY {
        const __m256i inputs = _mm256_set1_epi32(load<int32_t>(x + ((q + 4) * R + r) * 4));
        sum[r] = _mm256_add_epi16(sum[r], _mm256_maddubs_epi16(high, inputs));
        settle(sum[r]);
      });
    });
    const __m256i scale = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)scales));
    const __m256i both_scales = _mm256_or_si256(scale, _mm256_slli_epi32(scale, 16));
    each<R>(EACH_BODY {
      totals[r] = _mm256_add_epi32(totals[r], _mm256_madd_epi16(sum[r], both_scales));
      settle(totals[r]);
    });
  }
  each<R>(EACH_BODY { sums[r] = (i8)totals[r]; });
}

/** 8 · N columns. */
template <int N>
INLINE void add_values_of(const int16_t* weights, const int8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  __m256i total[N];
  each<N>(EACH_BODY { total[r] = _mm256_loadu_si256((const __m256i*)(sums + 8 * r)); });
  for (; pairs > 0; pairs--, weights += 2, values += 2 * stride) {
    const __m256i weight = _mm256_set1_epi32(load<int32_t>(weights));
    each<N>(EACH_BODY {
      total[r] = _mm256_add_epi32(total[r], _mm256_madd_epi16(widen(values + 16 * r), weight));
      settle(total[r]);
    });
  }
  each<N>(EACH_BODY { _mm256_storeu_si256((__m256i*)(sums + 8 * r), total[r]); });
}

INLINE void add_values(const int16_t* weights, const int8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  int32_t column = 0;
  for (; column + 64 <= stride; column += 64) add_values_of<8>(weights, values + 2 * column, pairs, stride, sums + column);
  for (; column < stride; column += 16) add_values_of<2>(weights, values + 2 * column, pairs, stride, sums + column);
}

/** Nibble J of every word. */
template <int J>
INLINE __m256i nibble_of(__m256i words) {
  if constexpr (J == 3) return _mm256_srli_epi16(words, 12);
  return _mm256_and_si256(J == 0 ? words : _mm256_srli_epi16(words, 4 * J), _mm256_set1_epi16(15));
}

INLINE void tile_nibbles(const int16_t* x, const uint8_t* w, int32_t groups, int32_t* sums) {
  __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
  for (; groups > 0; groups--, x += 16, w += 8 * kPanel) {
    const __m256i first = _mm256_loadu_si256((const __m256i*)w), second = _mm256_loadu_si256((const __m256i*)(w + 32));
    each<4>([&](auto j) __attribute__((always_inline)) {
      const __m256i inputs = _mm256_set1_epi64x(load<int64_t>(x + 4 * j));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(nibble_of<j.value>(first), inputs));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(nibble_of<j.value>(second), inputs));
      settle(low);
      settle(high);
    });
  }
  store(sums, fold_pairs(low, high));
}

/** 32 · N columns. */
template <int N>
INLINE void add_nibbles_of(const int16_t* weights, const uint8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  __m256i total[4 * N];
  each<4 * N>(EACH_BODY { total[r] = _mm256_loadu_si256((const __m256i*)(sums + r / N * (stride / 4) + r % N * 8)); });
  for (; pairs > 0; pairs--, weights += 2, values += stride) {
    const __m256i weight = _mm256_set1_epi32(load<int32_t>(weights));
    each<4 * N>(EACH_BODY {
      const __m256i words = _mm256_loadu_si256((const __m256i*)(values + r % N * 32));
      total[r] = _mm256_add_epi32(total[r], _mm256_madd_epi16(nibble_of<r.value / N>(words), weight));
      settle(total[r]);
    });
  }
  each<4 * N>(EACH_BODY { _mm256_storeu_si256((__m256i*)(sums + r / N * (stride / 4) + r % N * 8), total[r]); });
}

/** The 16 columns that are left. */
INLINE void add_last_nibbles(const int16_t* weights, const uint8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  const __m128i nibble = _mm_set1_epi16(15);
  __m128i total[4];
  each<4>(EACH_BODY { total[r] = _mm_loadu_si128((const __m128i*)(sums + r * (stride / 4))); });
  for (; pairs > 0; pairs--, weights += 2, values += stride) {
    const __m128i weight = _mm_set1_epi32(load<int32_t>(weights));
    const __m128i words = _mm_loadu_si128((const __m128i*)values);
    each<4>(EACH_BODY {
      total[r] = _mm_add_epi32(total[r], _mm_madd_epi16(_mm_and_si128(_mm_srli_epi16(words, 4 * r), nibble), weight));
    });
  }
  each<4>(EACH_BODY { _mm_storeu_si128((__m128i*)(sums + r * (stride / 4)), total[r]); });
}

INLINE void add_nibbles(const int16_t* weights, const uint8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  int32_t column = 0;
  for (; column + 64 <= stride; column += 64) add_nibbles_of<2>(weights, values + column, pairs, stride, sums + column / 4);
  for (; column + 32 <= stride; column += 32) add_nibbles_of<1>(weights, values + column, pairs, stride, sums + column / 4);
  if (column < stride) add_last_nibbles(weights, values + column, pairs, stride, sums + column / 4);
}
