/**
 * Keys and values in 4 bits, operation by operation as assembly/quantized/kv4.ts stores them. A head's vector is rotated (rotation.h), then x ≈ (2n - 15) · s with
 * n from 0 to 15 and one scale s of 16 bits, the upper half of a float. A key may be stored as what it differs by from the first of its panel of eight
 * positions, where that is smaller: neighbours' keys are alike. The scale's sign then says so.
 * Nibbles go by fours into 16-bit words: word k of 16 channels holds channels k, 4 + k, 8 + k and 12 + k, the lowest bits first.
 * Included inside the namespace of an instruction set.
 */
typedef uint16_t u4 __attribute__((vector_size(8)));

/** Largest magnitude of 2n - 15. */
constexpr float kOddLimit = 15;
/** What is smaller in all its channels is nothing: its scale's inverse could be infinite. */
constexpr float kLeastMagnitude = 1e-30f;
constexpr uint16_t kRelative = 0x8000;

INLINE float scale4(uint16_t stored) {
  const uint32_t bits = (uint32_t)(stored & 0x7fff) << 16;
  return load<float>(&bits);
}

/** Rounded up, so that nothing lies beyond the limit. */
INLINE uint16_t stored_scale(float largest) {
  if (!(largest > kLeastMagnitude)) return 0;
  const float scale = largest / kOddLimit;
  return (uint16_t)((load<uint32_t>(&scale) + 0xffff) >> 16);
}

/** x [stride] to words [stride / 4]; returns the scale as stored. */
INLINE uint16_t pack4(const float* x, int32_t stride, float largest, uint16_t* to) {
  const uint16_t scale = stored_scale(largest);
  const float inverse = scale == 0 ? 0 : 0.5f / scale4(scale);
  for (int32_t i = 0; i < stride; i += 16, to += 4) {
    i4 words = {};
    each<4>([&](auto j) __attribute__((always_inline)) {
      words |= (to_integers(nearest(load<f4>(x + i + 4 * j) * inverse + 7.5f)) & 15) << (4 * j);
    });
    store(to, __builtin_convertvector(words, u4));
  }
  return scale;
}

/** x minus the key that is stored first in its panel. */
INLINE void subtract_first(const float* x, const uint8_t* panel, float scale, int32_t stride, float* to) {
  for (int32_t i = 0; i < stride; i += 16, panel += 8 * kPanel) {
    const i4 words = __builtin_convertvector(load<u4>(panel), i4);
    each<4>([&](auto j) __attribute__((always_inline)) {
      const i4 odd = ((words >> (4 * j)) & 15) * 2 - 15;
      store(to + i + 4 * j, load<f4>(x + i + 4 * j) - __builtin_convertvector(odd, f4) * scale);
    });
  }
}

/**
 * keys[block][head][offset / 8][stride / 16][8][4] words (positions for columns, as a matrix' weights lie), values[block][head][offset / 2][stride / 16][4][2] words
 * (neighbouring positions side by side), scales [block][head][offset]. qkv [rows, 3 * width]
 */
INLINE void store_kv4_row(const Model& model, const Step& step, const Layer& layer, int32_t row, int32_t head, float* scratch) {
  const int32_t stride = model.head_stride;
  const int32_t slot = step.slots[row];
  const int32_t offset = slot % model.block_size;
  const int32_t lane = offset & (kPanel - 1);
  const size_t place = ((size_t)(slot / model.block_size) * model.heads + head) * model.block_size + offset;
  const float* key = step.qkv + ((size_t)row * 3 + 1) * model.width + (size_t)head * model.head_width;
  float* rotated = scratch;
  float* difference = rotated + stride;
  auto* words = (uint16_t*)(difference + stride);

  load_rotated(key, model.head_width, stride, rotated);
  uint8_t* panel = (uint8_t*)layer.keys + (place - lane) * (stride / 2);
  float largest = largest_magnitude(rotated, stride);
  const float* from = rotated;
  uint16_t relative = 0;
  if (lane != 0) {
    subtract_first(rotated, panel, scale4(layer.key_scales4[place - lane]), stride, difference);
    const float left = largest_magnitude(difference, stride);
    if (left < largest) {
      largest = left;
      from = difference;
      relative = kRelative;
    }
  }
  layer.key_scales4[place] = pack4(from, stride, largest, words) | relative;
  for (int32_t i = 0; i < stride / 4; i += 4) __builtin_memcpy(panel + i * 2 * kPanel + lane * 8, words + i, 8);

  load_rotated(key + model.width, model.head_width, stride, rotated);
  uint8_t* pair = (uint8_t*)layer.values + (place & ~(size_t)1) * (stride / 2) + (place & 1) * 2;
  layer.value_scales4[place] = pack4(rotated, stride, largest_magnitude(rotated, stride), words);
  for (int32_t i = 0; i < stride / 4; i++) __builtin_memcpy(pair + i * 4, words + i, 2);
}

/** A chunk is a range of heads: a key needs the first of its panel, which may be a row of this very step. */
static void run_store_kv4(const void* context, int32_t chunk, int32_t thread) {
  const RowsJob& job = *(const RowsJob*)context;
  auto* scratch = (float*)(job.step->scratch + thread * job.step->scratch_bytes);
  for (int32_t head = chunk * job.per_chunk; head < rows_end(job, chunk); head++)
    for (int32_t row = 0; row < job.step->rows; row++) store_kv4_row(*job.model, *job.step, *job.layer, row, head, scratch);
}
