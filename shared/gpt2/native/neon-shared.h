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
