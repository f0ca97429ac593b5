/** What tiles-neon.h and tiles-neon-dotprod.h have in common. Attention's weights have 15 bits, too many for an instruction that multiplies bytes. */

/** Eight columns of two vectors. */
INLINE i8 join(int32x4_t low, int32x4_t high) { return {(i4)low, (i4)high}; }

/** 8 · N columns. */
template <int N>
INLINE void add_values_of(const int16_t* weights, const int8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  int32x4_t low[N], high[N];
  each<N>(EACH_BODY {
    low[r] = vld1q_s32(sums + 8 * r);
    high[r] = vld1q_s32(sums + 8 * r + 4);
  });
  for (; pairs > 0; pairs--, weights += 2, values += 2 * stride) {
    const int16x4_t weight = vreinterpret_s16_s32(vdup_n_s32(load<int32_t>(weights)));
    each<N>(EACH_BODY {
      const int8x8x2_t positions = vld2_s8(values + 16 * r);
      const int16x8_t first = vmovl_s8(positions.val[0]), second = vmovl_s8(positions.val[1]);
      low[r] = vmlal_lane_s16(vmlal_lane_s16(low[r], vget_low_s16(first), weight, 0), vget_low_s16(second), weight, 1);
      high[r] = vmlal_high_lane_s16(vmlal_high_lane_s16(high[r], first, weight, 0), second, weight, 1);
    });
  }
  each<N>(EACH_BODY {
    vst1q_s32(sums + 8 * r, low[r]);
    vst1q_s32(sums + 8 * r + 4, high[r]);
  });
}

INLINE void add_values(const int16_t* weights, const int8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  int32_t column = 0;
  for (; column + 64 <= stride; column += 64) add_values_of<8>(weights, values + 2 * column, pairs, stride, sums + column);
  for (; column < stride; column += 16) add_values_of<2>(weights, values + 2 * column, pairs, stride, sums + column);
}

/** Nibble J of every word. */
template <int J>
INLINE int16x8_t nibble_of(uint16x8_t words) {
  if constexpr (J == 0) return vreinterpretq_s16_u16(vandq_u16(words, vdupq_n_u16(15)));
  else if constexpr (J == 3) return vreinterpretq_s16_u16(vshrq_n_u16(words, 12));
  else return vreinterpretq_s16_u16(vandq_u16(vshrq_n_u16(words, 4 * J), vdupq_n_u16(15)));
}

INLINE void tile_nibbles(const int16_t* x, const uint8_t* w, int32_t groups, int32_t* sums) {
  int32x4_t sum[kPanel];
  each<kPanel>(EACH_BODY { sum[r] = vdupq_n_s32(0); });
  for (; groups > 0; groups--, x += 16, w += 8 * kPanel) {
    const int16x4_t inputs[4] = {vld1_s16(x), vld1_s16(x + 4), vld1_s16(x + 8), vld1_s16(x + 12)};
    each<kPanel / 2>(EACH_BODY {
      const uint16x8_t words = vld1q_u16((const uint16_t*)(w + r * 16));
      each<4>([&](auto j) __attribute__((always_inline)) {
        const int16x8_t two = nibble_of<j.value>(words);
        sum[2 * r] = vmlal_s16(sum[2 * r], vget_low_s16(two), inputs[j]);
        sum[2 * r + 1] = vmlal_s16(sum[2 * r + 1], vget_high_s16(two), inputs[j]);
      });
    });
  }
  each<kPanel>(EACH_BODY { sums[r] = vaddvq_s32(sum[r]); });
}

/** 16 columns at a time. */
INLINE void add_nibbles(const int16_t* weights, const uint8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  for (int32_t column = 0; column < stride; column += 16, values += 16, sums += 4) {
    int32x4_t low[4], high[4];
    each<4>(EACH_BODY { low[r] = high[r] = vdupq_n_s32(0); });
    for (int32_t p = 0; p < pairs; p++) {
      const int16x4_t weight = vreinterpret_s16_s32(vdup_n_s32(load<int32_t>(weights + 2 * p)));
      const uint16x8_t words = vld1q_u16((const uint16_t*)(values + (size_t)p * stride));
      each<4>(EACH_BODY {
        const int16x8_t two = nibble_of<r.value>(words);
        low[r] = vmlal_s16(low[r], vget_low_s16(two), weight);
        high[r] = vmlal_s16(high[r], vget_high_s16(two), weight);
      });
    }
    each<4>(EACH_BODY {
      int32_t* at = sums + r * (stride / 4);
      vst1q_s32(at, vaddq_s32(vld1q_s32(at), vpaddq_s32(low[r], high[r])));
    });
  }
}
