/**
 * The integer products of tiles-portable.h with AVX-512 VNNI: one instruction multiplies and adds. Its latency is four or five cycles, so a
 * tile keeps several sums per row and adds them at its end, which is exact in any order.
 */

/** Adds neighbouring pairs: eight columns, two sums each. */
INLINE i8 fold_pairs(__m512i sums) {
  const __m256i pairs = _mm256_hadd_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64(sums, 1));
  return (i8)_mm256_permute4x64_epi64(pairs, 0xd8);
}

INLINE __m512i widen_panel(const int8_t* at) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)at)); }

template <int R>
INLINE void tile_int8(const int16_t* x, const int8_t* w, int32_t quads, i8* sums) {
  constexpr int kChains = R == 1 ? 4 : 2;
  __m512i sum[R][kChains];
  each<R>(EACH_BODY {
    each<kChains>([&](auto chain) __attribute__((always_inline)) { sum[r][chain] = _mm512_setzero_si512(); });
  });
  for (; quads >= kChains; quads -= kChains, w += kChains * 4 * kPanel, x += kChains * 4 * R) {
    _mm_prefetch((const char*)w + kPrefetchBytes, _MM_HINT_T0);
    each<kChains>([&](auto chain) __attribute__((always_inline)) {
      const __m512i weights = widen_panel(w + chain * 4 * kPanel);
      each<R>(EACH_BODY {
        const __m512i inputs = _mm512_set1_epi64(load<int64_t>(x + (chain * R + r) * 4));
        sum[r][chain] = _mm512_dpwssd_epi32(sum[r][chain], weights, inputs);
      });
    });
  }
  for (; quads > 0; quads--, w += 4 * kPanel, x += 4 * R) {
    const __m512i weights = widen_panel(w);
    each<R>(EACH_BODY {
      sum[r][0] = _mm512_dpwssd_epi32(sum[r][0], weights, _mm512_set1_epi64(load<int64_t>(x + 4 * r)));
    });
  }
  each<R>(EACH_BODY {
    __m512i all = _mm512_add_epi32(sum[r][0], sum[r][1]);
    if constexpr (kChains == 4) all = _mm512_add_epi32(all, _mm512_add_epi32(sum[r][2], sum[r][3]));
    sums[r] = fold_pairs(all);
  });
}

template <int R>
INLINE void tile_w4(const uint8_t* x, const uint8_t* w, const uint8_t* scales, int32_t groups, i8* sums) {
  const __m512i nibble = _mm512_set1_epi8(15);
  // The low half of a vector holds even quads of a group, the high half odd ones; both count for the same columns.
  __m512i totals[R];
  each<R>(EACH_BODY { totals[r] = _mm512_setzero_si512(); });
  for (; groups > 0; groups--, x += R * kGroupRowBytes, w += 16 * kPanel, scales += kPanel) {
    _mm_prefetch((const char*)w + kPrefetchBytes, _MM_HINT_T0);
    _mm_prefetch((const char*)w + kPrefetchBytes + 64, _MM_HINT_T0);
    const __m256i scale = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)scales));
    const __m512i both_scales = _mm512_inserti64x4(_mm512_castsi256_si512(scale), scale, 1);
    const __m512i first = _mm512_loadu_si512(w), second = _mm512_loadu_si512(w + 8 * kPanel);
    const __m512i quads[4] = {
        _mm512_and_si512(first, nibble),                         // 0 and 1
        _mm512_and_si512(second, nibble),                        // 2 and 3
        _mm512_and_si512(_mm512_srli_epi16(first, 4), nibble),   // 4 and 5
        _mm512_and_si512(_mm512_srli_epi16(second, 4), nibble),  // 6 and 7
    };
    each<R>(EACH_BODY {
      // Only one half takes the correction, as a 32-bit number.
      const int32_t correction = correction_at(x + (kGroupQuads * R + r) * 4);
      __m512i sum = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi32(correction), 0);
      each<4>([&](auto q) __attribute__((always_inline)) {
        const __m256i even = _mm256_set1_epi32(load<int32_t>(x + (2 * q * R + r) * 4));
        const __m256i odd = _mm256_set1_epi32(load<int32_t>(x + ((2 * q + 1) * R + r) * 4));
        sum = _mm512_dpbusd_epi32(sum, quads[q], _mm512_inserti64x4(_mm512_castsi256_si512(even), odd, 1));
      });
      totals[r] = _mm512_add_epi32(totals[r], _mm512_mullo_epi32(sum, both_scales));
    });
  }
  each<R>(EACH_BODY {
    sums[r] = (i8)_mm256_add_epi32(_mm512_castsi512_si256(totals[r]), _mm512_extracti64x4_epi64(totals[r], 1));
  });
}

/** 16 · N columns. */
template <int N>
INLINE void add_values_of(const int16_t* weights, const int8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  __m512i total[N];
  each<N>(EACH_BODY { total[r] = _mm512_loadu_si512(sums + 16 * r); });
  for (; pairs > 0; pairs--, weights += 2, values += 2 * stride) {
    const __m512i weight = _mm512_set1_epi32(load<int32_t>(weights));
    each<N>(EACH_BODY { total[r] = _mm512_dpwssd_epi32(total[r], widen_panel(values + 32 * r), weight); });
  }
  each<N>(EACH_BODY { _mm512_storeu_si512(sums + 16 * r, total[r]); });
}

INLINE void add_values(const int16_t* weights, const int8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  int32_t column = 0;
  for (; column + 64 <= stride; column += 64) add_values_of<4>(weights, values + 2 * column, pairs, stride, sums + column);
  for (; column < stride; column += 16) add_values_of<1>(weights, values + 2 * column, pairs, stride, sums + column);
}

/** Nibble J of every word. */
template <int J>
INLINE __m512i nibble_of(__m512i words) {
  if constexpr (J == 3) return _mm512_srli_epi16(words, 12);
  return _mm512_and_si512(J == 0 ? words : _mm512_srli_epi16(words, 4 * J), _mm512_set1_epi16(15));
}

INLINE void tile_nibbles(const int16_t* x, const uint8_t* w, int32_t groups, int32_t* sums) {
  __m512i sum[4];
  each<4>(EACH_BODY { sum[r] = _mm512_setzero_si512(); });
  for (; groups > 0; groups--, x += 16, w += 8 * kPanel) {
    const __m512i words = _mm512_loadu_si512(w);
    each<4>(EACH_BODY { sum[r] = _mm512_dpwssd_epi32(sum[r], nibble_of<r.value>(words), _mm512_set1_epi64(load<int64_t>(x + 4 * r))); });
  }
  store(sums, fold_pairs(_mm512_add_epi32(_mm512_add_epi32(sum[0], sum[1]), _mm512_add_epi32(sum[2], sum[3]))));
}

INLINE void add_nibbles(const int16_t* weights, const uint8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  const int32_t plane = stride / 4;
  int32_t column = 0;
  for (; column + 64 <= stride; column += 64) {
    __m512i total[4];
    int32_t* at = sums + column / 4;
    each<4>(EACH_BODY { total[r] = _mm512_loadu_si512(at + r * plane); });
    for (int32_t p = 0; p < pairs; p++) {
      const __m512i weight = _mm512_set1_epi32(load<int32_t>(weights + 2 * p));
      const __m512i words = _mm512_loadu_si512(values + (size_t)p * stride + column);
      each<4>(EACH_BODY { total[r] = _mm512_dpwssd_epi32(total[r], nibble_of<r.value>(words), weight); });
    }
    each<4>(EACH_BODY { _mm512_storeu_si512(at + r * plane, total[r]); });
  }
  for (; column < stride; column += 16) {
    const __m128i nibble = _mm_set1_epi16(15);
    __m128i total[4];
    int32_t* at = sums + column / 4;
    each<4>(EACH_BODY { total[r] = _mm_loadu_si128((const __m128i*)(at + r * plane)); });
    for (int32_t p = 0; p < pairs; p++) {
      const __m128i weight = _mm_set1_epi32(load<int32_t>(weights + 2 * p));
      const __m128i words = _mm_loadu_si128((const __m128i*)(values + (size_t)p * stride + column));
      each<4>(EACH_BODY { total[r] = _mm_dpwssd_epi32(total[r], _mm_and_si128(_mm_srli_epi16(words, 4 * r), nibble), weight); });
    }
    each<4>(EACH_BODY { _mm_storeu_si128((__m128i*)(at + r * plane), total[r]); });
  }
}
