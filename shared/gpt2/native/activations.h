/**
 * Rows of floats as integers, in groups of four rows (the last group holds what is left). For 8-bit weights 12 bits, round(x / s) with
 * s = max|x| / 2047: [group][depth / 4][rows of the group][4] i16, each four as the tiles want
 * them (`arranged`). For 4-bit weights 8 bits, s = max|x| / 127: [group][depth / 32], each
 * [8][rows of the group][4] i8 and then, per row, what the weights' offset of 8 adds to the sums, as two i16.
 * Included inside the namespace of an instruction set.
 */
constexpr float kLimit12 = 2047;
constexpr float kLimit8 = 127;

INLINE int32_t row_bytes(WeightKind kind, int32_t padded_depth) {
  return kind == WeightKind::int8 ? padded_depth * 2 : padded_depth / kGroupDepth * kGroupRowBytes;
}

INLINE float largest_magnitude(const float* x, int32_t count) {
  f8 most = splat<f8>(0);
  int32_t i = 0;
  for (; i + 8 <= count; i += 8) most = larger(most, magnitude(load<f8>(x + i)));
  float largest = largest_lane(most);
  for (; i < count; i++) {
    const float size = x[i] < 0 ? -x[i] : x[i];
    if (size > largest) largest = size;
  }
  return largest;
}

/** What to multiply by so that the largest magnitude becomes `limit`; 0 for a row of zeros. */
INLINE float inverse_scale(float largest, float limit) { return largest > 0 ? limit / largest : 0; }

INLINE int32_t rounded(float value, float inverse) {
  const float product = value * inverse;
  return (int32_t)((product + 12582912.0f) - 12582912.0f);
}

/** Rows of the group that `row` belongs to. */
INLINE int32_t group_rows(int32_t rows, int32_t row) {
  const int32_t left = rows - (row & ~(kRowGroup - 1));
  return left < kRowGroup ? left : kRowGroup;
}

INLINE float quantize_row_12(const float* x, int32_t depth, int16_t* to, int32_t group) {
  const float largest = largest_magnitude(x, depth);
  const float inverse = inverse_scale(largest, kLimit12);
  const int32_t stride = group * 4;
  int32_t i = 0;
  for (; i + 8 <= depth; i += 8, to += 2 * stride) {
    const s8 quads = arranged(to_shorts(nearest(load<f8>(x + i) * inverse)));
    __builtin_memcpy(to, &quads, 8);
    __builtin_memcpy(to + stride, (const char*)&quads + 8, 8);
  }
  for (; i < depth; i += 4, to += stride) {
    s8 quad = {};
    for (int32_t k = 0; k < 4 && i + k < depth; k++) quad[k] = (int16_t)rounded(x[i + k], inverse);
    quad = arranged(quad);
    __builtin_memcpy(to, &quad, 8);
  }
  return largest / kLimit12;
}

INLINE float quantize_row_8(const float* x, int32_t depth, int32_t padded_depth, uint8_t* to, int32_t group, int32_t member) {
  const float largest = largest_magnitude(x, depth);
  const float inverse = inverse_scale(largest, kLimit8);
  const int32_t stride = group * 4;
  for (int32_t start = 0; start < padded_depth; start += kGroupDepth, to += group * kGroupRowBytes) {
    int8_t bytes[kGroupDepth];
    if (start + kGroupDepth <= depth) {
      for (int32_t k = 0; k < kGroupDepth; k += 8) {
        store(bytes + k, to_bytes(nearest(load<f8>(x + start + k) * inverse)));
      }
    } else {
      for (int32_t k = 0; k < kGroupDepth; k++) bytes[k] = start + k < depth ? (int8_t)rounded(x[start + k], inverse) : 0;
    }
    int32_t even = 0, odd = 0;
    for (int32_t k = 0; k < kGroupDepth; k += 4) {
      even += bytes[k] + bytes[k + 1];
      odd += bytes[k + 2] + bytes[k + 3];
      __builtin_memcpy(to + k / 4 * stride + member * 4, bytes + k, 4);
    }
    const int16_t corrections[2] = {(int16_t)(-8 * even), (int16_t)(-8 * odd)};
    __builtin_memcpy(to + kGroupQuads * stride + member * 4, corrections, 4);
  }
  return largest / kLimit8;
}

/** A row's two 16-bit corrections as one number. */
INLINE int32_t correction_at(const uint8_t* corrections) { return load<int16_t>(corrections) + load<int16_t>(corrections + 2); }

/** Row `row` of `rows` for a product with `matrix`. */
INLINE void quantize_row(const Step& step, const float* x, const Matrix& matrix, int32_t rows, int32_t row) {
  const int32_t group = group_rows(rows, row);
  const int32_t member = row & (kRowGroup - 1);
  uint8_t* to = step.integers + (size_t)(row - member) * row_bytes(matrix.kind, matrix.padded_depth);
  step.integer_scales[row] = matrix.kind == WeightKind::int8
                                 ? quantize_row_12(x, matrix.depth, (int16_t*)to + member * 4, group)
                                 : quantize_row_8(x, matrix.depth, matrix.padded_depth, to, group, member);
}
