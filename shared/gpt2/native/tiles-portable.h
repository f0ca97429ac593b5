/** The integer products in plain C++: the definition that the other instruction sets are compared with. */

/**
 * sums[r][c] = Σ inputs · weights over `quads` of four inputs, for R rows and a panel of eight columns.
 * @param x [quads][R][4]
 * @param w [quads][8][4]
 */
template <int R>
INLINE void tile_int8(const int16_t* x, const int8_t* w, int32_t quads, i8* sums) {
  int32_t totals[R][kPanel] = {};
  for (; quads > 0; quads--, w += 4 * kPanel, x += 4 * R) {
    for (int r = 0; r < R; r++)
      for (int c = 0; c < kPanel; c++)
        for (int k = 0; k < 4; k++) totals[r][c] += x[4 * r + k] * w[4 * c + k];
  }
  __builtin_memcpy(sums, totals, sizeof totals);
}

/**
 * The same for 4-bit weights: of each group of 32 inputs the sum times the group's integer scale.
 * @param x [groups][8][R][4], then [R] corrections
 * @param w [groups][4][8][4], the low half of a byte for quads 0 to 3 of the group, the high half for 4 to 7, weights plus 8
 * @param scales [groups][8]
 */
template <int R>
INLINE void tile_w4(const uint8_t* x, const uint8_t* w, const uint8_t* scales, int32_t groups, i8* sums) {
  int32_t totals[R][kPanel] = {};
  for (; groups > 0; groups--, x += R * kGroupRowBytes, w += 16 * kPanel, scales += kPanel) {
    for (int r = 0; r < R; r++)
      for (int c = 0; c < kPanel; c++) {
        int32_t sum = 0;
        for (int q = 0; q < kGroupQuads; q++)
          for (int k = 0; k < 4; k++) {
            const int both = w[(q & 3) * 4 * kPanel + 4 * c + k];
            sum += ((q < 4 ? both & 15 : both >> 4) - 8) * (int8_t)x[(q * R + r) * 4 + k];
          }
        totals[r][c] += sum * scales[c];
      }
  }
  __builtin_memcpy(sums, totals, sizeof totals);
}

/** sums[column] += Σ weights · values over `pairs` of positions. weights [pairs][2], values [pairs][stride][2] */
INLINE void add_values(const int16_t* weights, const int8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  for (; pairs > 0; pairs--, weights += 2, values += 2 * stride) {
    for (int32_t c = 0; c < stride; c++) sums[c] += weights[0] * values[2 * c] + weights[1] * values[2 * c + 1];
  }
}

/**
 * sums[c] = Σ inputs · nibbles over `groups` of 16 inputs, for a panel of eight columns.
 * @param x [groups][4][4]
 * @param w [groups][8][4] words: nibble j of word k is input 4j + k
 */
INLINE void tile_nibbles(const int16_t* x, const uint8_t* w, int32_t groups, int32_t* sums) {
  for (int c = 0; c < kPanel; c++) sums[c] = 0;
  for (; groups > 0; groups--, x += 16, w += 8 * kPanel) {
    for (int c = 0; c < kPanel; c++)
      for (int k = 0; k < 4; k++) {
        const int32_t word = load<uint16_t>(w + c * 8 + k * 2);
        for (int j = 0; j < 4; j++) sums[c] += x[4 * j + k] * ((word >> (4 * j)) & 15);
      }
  }
}

/** sums[j][i] += Σ weights · nibbles j over `pairs` of positions. weights [pairs][2], values [pairs][stride / 4][2] words, sums [4][stride / 4] */
INLINE void add_nibbles(const int16_t* weights, const uint8_t* values, int32_t pairs, int32_t stride, int32_t* sums) {
  for (; pairs > 0; pairs--, weights += 2, values += stride) {
    for (int32_t i = 0; i < stride / 4; i++) {
      const int32_t first = load<uint16_t>(values + i * 4), second = load<uint16_t>(values + i * 4 + 2);
      for (int j = 0; j < 4; j++) sums[j * (stride / 4) + i] += weights[0] * ((first >> (4 * j)) & 15) + weights[1] * ((second >> (4 * j)) & 15);
    }
  }
}
