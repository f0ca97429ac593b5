/**
 * The integer products of tiles-portable.h with Arm's dot product: one instruction multiplies sixteen bytes and adds them by fours. 12-bit inputs
 * come as two bytes (quads-split.h), whose sums meet at the end: 256 · Σ high · w + Σ low · w is the same exact number.
 */

template <int R>
INLINE void tile_int8(const int16_t* x, const int8_t* w, int32_t quads, i8* sums) {
  // Of columns 0 to 3 and 4 to 7: the sums of low and of high bytes.
  int32x4_t low[R][2], high[R][2];
  each<R>(EACH_BODY { low[r][0] = low[r][1] = high[r][0] = high[r][1] = vdupq_n_s32(0); });
  for (; quads > 0; quads--, w += 4 * kPanel, x += 4 * R) {
    __builtin_prefetch(w + kPrefetchBytes);
    const int8x16_t first = vld1q_s8(w), second = vld1q_s8(w + 16);
    each<R>(EACH_BODY {
      const int8x8_t inputs = vld1_s8((const int8_t*)(x + 4 * r));
      low[r][0] = vdotq_lane_s32(low[r][0], first, inputs, 0);
      low[r][1] = vdotq_lane_s32(low[r][1], second, inputs, 0);
      high[r][0] = vdotq_lane_s32(high[r][0], first, inputs, 1);
      high[r][1] = vdotq_lane_s32(high[r][1], second, inputs, 1);
    });
  }
  each<R>(EACH_BODY {
    sums[r] = join(vaddq_s32(low[r][0], vshlq_n_s32(high[r][0], 8)), vaddq_s32(low[r][1], vshlq_n_s32(high[r][1], 8)));
  });
}

template <int R>
INLINE void tile_w4(const uint8_t* x, const uint8_t* w, const uint8_t* scales, int32_t groups, i8* sums) {
  const uint8x16_t nibble = vdupq_n_u8(15);
  int32x4_t low[R], high[R];
  each<R>(EACH_BODY { low[r] = high[r] = vdupq_n_s32(0); });
  for (; groups > 0; groups--, x += R * kGroupRowBytes, w += 16 * kPanel, scales += kPanel) {
    __builtin_prefetch(w + kPrefetchBytes);
    __builtin_prefetch(w + kPrefetchBytes + 64);
    int32x4_t low_sum[R], high_sum[R];
    each<R>(EACH_BODY {
      low_sum[r] = high_sum[r] = vdupq_n_s32(correction_at(x + (kGroupQuads * R + r) * 4));
    });
    each<4>([&](auto q) __attribute__((always_inline)) {
      const uint8x16_t first = vld1q_u8(w + q * 4 * kPanel), second = vld1q_u8(w + q * 4 * kPanel + 16);
      const auto add_quad = [&](uint8x16_t columns_low, uint8x16_t columns_high, int32_t quad) __attribute__((always_inline)) {
        each<R>(EACH_BODY {
          const int8x16_t inputs = vreinterpretq_s8_s32(vdupq_n_s32(load<int32_t>(x + (quad * R + r) * 4)));
          low_sum[r] = vdotq_s32(low_sum[r], vreinterpretq_s8_u8(columns_low), inputs);
          high_sum[r] = vdotq_s32(high_sum[r], vreinterpretq_s8_u8(columns_high), inputs);
        });
      };
      add_quad(vandq_u8(first, nibble), vandq_u8(second, nibble), q);
      add_quad(vshrq_n_u8(first, 4), vshrq_n_u8(second, 4), q + 4);
    });
    const uint16x8_t scale = vmovl_u8(vld1_u8(scales));
    const int32x4_t low_scale = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(scale)));
    const int32x4_t high_scale = vreinterpretq_s32_u32(vmovl_high_u16(scale));
    each<R>(EACH_BODY {
      low[r] = vmlaq_s32(low[r], low_sum[r], low_scale);
      high[r] = vmlaq_s32(high[r], high_sum[r], high_scale);
    });
  }
  each<R>(EACH_BODY { sums[r] = join(low[r], high[r]); });
}
