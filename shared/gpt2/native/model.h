/**
 * What the kernels are told: a quantised model, its KV cache and one step. Plain records of pointers, filled by addon.cpp. The bytes they point
 * to are laid out as src/backends/tfjs-wasm/quantized/image.ts and w4a8.ts describe.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace inkwell {

enum class WeightKind : int32_t { int8 = 0, w4 = 1 };

/** Inputs that share an integer scale in a 4-bit matrix. */
constexpr int kGroupDepth = 32;
constexpr int kGroupQuads = kGroupDepth / 4;
/** Bytes of one activation row's share of such a group. */
constexpr int kGroupRowBytes = kGroupDepth + 4;
/** Columns of a panel. */
constexpr int kPanel = 8;
/** Rows of a full tile. */
constexpr int kRowGroup = 4;

struct Matrix {
  WeightKind kind;
  int32_t depth;
  /** Inputs rounded up to 4 (int8) or 32 (w4a8). */
  int32_t padded_depth;
  int32_t columns;
  const uint8_t* weight;
  const float* scales;
  const float* bias;
  /** w4a8 only: [panels][padded_depth / 32][8]. */
  const uint8_t* group_scales;
};

struct Layer {
  const float* ln_1_gain;
  const float* ln_1_bias;
  Matrix c_attn;
  Matrix c_proj;
  const float* ln_2_gain;
  const float* ln_2_bias;
  Matrix c_fc;
  Matrix mlp_c_proj;
  /** 1 / √(head width), or what the configuration makes of it. */
  float score_scale;
  int8_t* keys;
  int8_t* values;
  float* key_scales;
  float* value_scales;
  /** Of a 4-bit cache, instead: the upper halves of floats. */
  uint16_t* key_scales4;
  uint16_t* value_scales4;
};

/** Constant from load to dispose. */
struct Model {
  int32_t layers;
  int32_t width;
  int32_t heads;
  int32_t head_width;
  /** Channels a head's keys have per position: the head width rounded up to 16. */
  int32_t head_stride;
  int32_t inner;
  int32_t activation;
  float epsilon;
  int32_t block_size;
  /** Bits of a key's or a value's integer: 8 or 4. */
  int32_t kv_bits;
  Matrix wte;
  const float* wpe;
  const float* ln_f_gain;
  const float* ln_f_bias;
  Matrix lm_head;
  const Layer* layer;
};

/** One step: its rows, and the buffers it works in. */
struct Step {
  int32_t rows;
  const int32_t* tokens;
  const int32_t* positions;
  const int32_t* sequences;
  const int32_t* slots;
  const int32_t* tables;
  int32_t table_width;
  const int32_t* selection;
  int32_t selected;
  /** Positions a row attends to, on average: sizes the chunks of attention. */
  int32_t mean_length;
  /** A chunk of attention goes through the rows of one head first. */
  bool rows_first;
  float* x;
  float* qkv;
  float* attended;
  float* hidden;
  float* logits;
  uint8_t* integers;
  float* integer_scales;
  uint8_t* scratch;
  size_t scratch_bytes;
};

class Pool;

/** The kernels compiled for one instruction set. */
struct Kernels {
  const char* name;
  void (*step)(Pool& pool, const Model& model, const Step& step);
};

extern const Kernels kPortable;
#if defined(__x86_64__)
extern const Kernels kAvx2;
extern const Kernels kAvx512Vnni;
#elif defined(__aarch64__)
extern const Kernels kNeon;
extern const Kernels kNeonDotProduct;
#endif

/** Bytes of scratch memory a thread needs for block tables `table_width` wide. */
size_t scratch_bytes(const Model& model, int32_t table_width);

/** Bytes that one row of activations may take, whatever matrix they are for. */
size_t integer_row_bytes(const Model& model);

}  // namespace inkwell
