/**
 * Turns a head's vector by a Walsh-Hadamard matrix, which spreads what stands out in one channel over all: 4-bit integers then lose little (Ashkboos et al.
 * 2024, arXiv 2404.00456). Operation by operation what assembly/quantized/rotation.ts does.
 * Included inside the namespace of an instruction set.
 */

/** Channels that are mixed: the largest power of two in the stride, at least 16. */
INLINE int32_t rotation_size(int32_t stride) { return stride & -stride; }

/** lane i = lane i of x + lane i of y, or y - x where `sign` is set. */
INLINE f4 butterfly(f4 x, f4 y, i4 sign) { return y + (f4)((i4)x ^ sign); }

/** Not normalised: twice gives x times rotation_size. */
INLINE void rotate(float* x, int32_t stride) {
  constexpr int32_t kMinus = (int32_t)0x80000000;
  for (int32_t i = 0; i < stride; i += 4) {
    f4 v = load<f4>(x + i);
    v = butterfly(v, __builtin_shufflevector(v, v, 1, 0, 3, 2), i4{0, kMinus, 0, kMinus});
    v = butterfly(v, __builtin_shufflevector(v, v, 2, 3, 0, 1), i4{0, 0, kMinus, kMinus});
    store(x + i, v);
  }
  for (int32_t h = 4; h < rotation_size(stride); h *= 2)
    for (int32_t start = 0; start < stride; start += 2 * h)
      for (int32_t i = start; i < start + h; i += 4) {
        const f4 a = load<f4>(x + i), b = load<f4>(x + i + h);
        store(x + i, a + b);
        store(x + i + h, a - b);
      }
}

/** A head's `width` floats, rotated, zeros behind them first. */
INLINE void load_rotated(const float* x, int32_t width, int32_t stride, float* to) {
  __builtin_memcpy(to, x, (size_t)width * 4);
  for (int32_t i = width; i < stride; i++) to[i] = 0;
  rotate(to, stride);
}
