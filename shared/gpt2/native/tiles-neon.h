/** The integer products of tiles-portable.h with the NEON that every 64-bit Arm processor has: the sums are exact, so their order is free. */

/** LD4 brings the panel's columns side by side, one vector for each of the quad's inputs. */
template <int R>
INLINE void tile_int8(const int16_t* x, const int8_t* w, int32_t quads, i8* sums) {
  int32x4_t low[R], high[R];
  each<R>(EACH_BODY { low[r] = high[r] = vdupq_n_s32(0); });
  for (; quads > 0; quads--, w += 4 * kPanel, x += 4 * R) {
    __builtin_prefetch(w + kPrefetchBytes);
    const int8x8x4_t inputs_apart = vld4_s8(w);
    const int16x8_t weights[4] = {vmovl_s8(inputs_apart.val[0]), vmovl_s8(inputs_apart.val[1]), vmovl_s8(inputs_apart.val[2]),
                                  vmovl_s8(inputs_apart.val[3])};
    each<R>(EACH_BODY {
      const int16x4_t inputs = vld1_s16(x + 4 * r);
      each<4>([&](auto k) __attribute__((always_inline)) {
        low[r] = vmlal_lane_s16(low[r], vget_low_s16(weights[k]), inputs, k);
        high[r] = vmlal_high_lane_s16(high[r], weights[k], inputs, k);
      });
    });
  }
  each<R>(EACH_BODY { sums[r] = join(low[r], high[r]); });
}

template <int R>
INLINE void tile_w4(const uint8_t* x, const uint8_t* w, const uint8_t* scales, int32_t groups, i8* sums) {
  const uint8x16_t nibble = vdupq_n_u8(15);
  int32x4_t low[R], high[R];
  each<R>(EACH_BODY { low[r] = high[r] = vdupq_n_s32(0); });
  for (; groups > 0; groups--, x += R * kGroupRowBytes, w += 16 * kPanel, scales += kPanel) {
    __builtin_prefetch(w + kPrefetchBytes);
    __builtin_prefetch(w + kPrefetchBytes + 64);
    // Two columns to a vector, four 16-bit sums each: 8 · 15 · 127 fits, and so do two of them.
    int16x8_t sum[R][4];
    each<R>(EACH_BODY { each<4>([&](auto columns) __attribute__((always_inline)) { sum[r][columns] = vdupq_n_s16(0); }); });
    const auto add_quad = [&](int8x16_t first, int8x16_t second, int32_t quad) __attribute__((always_inline)) {
      each<R>(EACH_BODY {
        const int8x8_t inputs = vreinterpret_s8_s32(vdup_n_s32(load<int32_t>(x + (quad * R + r) * 4)));
        const int8x16_t twice = vcombine_s8(inputs, inputs);
        sum[r][0] = vmlal_s8(sum[r][0], vget_low_s8(first), inputs);
        sum[r][1] = vmlal_high_s8(sum[r][1], first, twice);
        sum[r][2] = vmlal_s8(sum[r][2], vget_low_s8(second), inputs);
        sum[r][3] = vmlal_high_s8(sum[r][3], second, twice);
      });
    };
    each<4>([&](auto q) __attribute__((always_inline)) {
      const uint8x16_t first = vld1q_u8(w + q * 4 * kPanel), second = vld1q_u8(w + q * 4 * kPanel + 16);
      add_quad(vreinterpretq_s8_u8(vandq_u8(first, nibble)), vreinterpretq_s8_u8(vandq_u8(second, nibble)), q);
      add_quad(vreinterpretq_s8_u8(vshrq_n_u8(first, 4)), vreinterpretq_s8_u8(vshrq_n_u8(second, 4)), q + 4);
    });
    const uint16x8_t scale = vmovl_u8(vld1_u8(scales));
    const int32x4_t low_scale = vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(scale)));
    const int32x4_t high_scale = vreinterpretq_s32_u32(vmovl_high_u16(scale));
    each<R>(EACH_BODY {
      const int32x4_t correction = vdupq_n_s32(correction_at(x + (kGroupQuads * R + r) * 4));
      low[r] = vmlaq_s32(low[r], vpadalq_s16(correction, vpaddq_s16(sum[r][0], sum[r][1])), low_scale);
      high[r] = vmlaq_s32(high[r], vpadalq_s16(correction, vpaddq_s16(sum[r][2], sum[r][3])), high_scale);
    });
  }
  each<R>(EACH_BODY { sums[r] = join(low[r], high[r]); });
}
