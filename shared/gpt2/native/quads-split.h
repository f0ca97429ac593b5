/**
 * How four 12-bit inputs lie in their eight bytes: x = 256 · high + low with both in 8 bits, four lows and then four highs, for tiles whose
 * instruction multiplies bytes.
 * Included inside the namespace of an instruction set.
 */

/** Two quads of inputs as the tiles want them. The low byte alone is low, from -128 on; what is left of |x| ≤ 2047 is 256 times -8 to 8. */
INLINE s8 arranged(s8 quads) {
  const int16x8_t x = (int16x8_t)quads;
  const int32x2_t low = vreinterpret_s32_s8(vmovn_s16(x));
  const int32x2_t high = vreinterpret_s32_s8(vrshrn_n_s16(x, 8));
  const int32x2x2_t both = vzip_s32(low, high);
  return (s8)vcombine_s32(both.val[0], both.val[1]);
}
