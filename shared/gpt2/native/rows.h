/**
 * Row-wise work of a step, as in assembly/quantized/rows.ts: embedding, layer norm into integers, plain rows into integers, and storing new keys and
 * values as 8-bit integers with one scale per position and head.
 * Included inside the namespace of an instruction set.
 */
constexpr float kByteLimit = 127;

struct RowsJob {
  const Model* model;
  const Step* step;
  const Layer* layer;
  const float* gain;
  const float* bias;
  const int32_t* selection;
  /** What quantised rows are to be multiplied with. */
  const Matrix* matrix;
  const float* x;
  int32_t rows;
  int32_t per_chunk;
};

/** Weight (input i, column c) times the column's integer scales, before its float scale. */
INLINE int32_t weight_at(const Matrix& matrix, int32_t i, int32_t column) {
  const int32_t panel = column / kPanel;
  const int32_t lane = column % kPanel;
  if (matrix.kind == WeightKind::int8) {
    return (int8_t)matrix.weight[(size_t)panel * matrix.padded_depth * kPanel + (i >> 2) * 4 * kPanel + lane * 4 + (i & 3)];
  }
  const size_t group = (size_t)panel * (matrix.padded_depth / kGroupDepth) + i / kGroupDepth;
  const int32_t quad = i % kGroupDepth / 4;
  const int32_t both = matrix.weight[group * 16 * kPanel + (quad & 3) * 4 * kPanel + lane * 4 + (i & 3)];
  return ((quad < 4 ? both & 15 : both >> 4) - 8) * matrix.group_scales[group * kPanel + lane];
}

/** x[r] = wte[tokens[r]] + wpe[positions[r]] */
INLINE void embed_row(const Model& model, const Step& step, int32_t row) {
  const int32_t token = step.tokens[row];
  const float scale = model.wte.scales[token];
  const float* position = model.wpe + (size_t)step.positions[row] * model.width;
  float* x = step.x + (size_t)row * model.width;
  for (int32_t i = 0; i < model.width; i++) x[i] = (float)weight_at(model.wte, i, token) * scale + position[i];
}

/** y = (x - mean) / √(variance + ε) · gain + bias (Ba et al. 2016), sums in four lanes as the WebAssembly kernel has them. */
INLINE void normalize_row(const float* x, const float* gain, const float* bias, float epsilon, int32_t width, float* y) {
  const int32_t whole = width & ~3;
  f4 sums = splat<f4>(0);
  for (int32_t i = 0; i < whole; i += 4) sums += load<f4>(x + i);
  f4 rest = splat<f4>(0);
  for (int32_t i = whole; i < width; i++) rest[i - whole] = x[i];
  if (whole < width) sums += rest;
  const float mean = sum_lanes(sums) / (float)width;
  f4 squares = splat<f4>(0);
  for (int32_t i = 0; i < whole; i += 4) {
    const f4 d = load<f4>(x + i) - mean;
    squares = d * d + squares;
  }
  if (whole < width) {
    f4 d = splat<f4>(0);
    for (int32_t i = whole; i < width; i++) d[i - whole] = x[i] - mean;
    squares = d * d + squares;
  }
  const float factor = 1.0f / __builtin_sqrtf(sum_lanes(squares) / (float)width + epsilon);
  int32_t i = 0;
  for (; i + 8 <= width; i += 8) {
    store(y + i, ((load<f8>(x + i) - mean) * factor) * load<f8>(gain + i) + load<f8>(bias + i));
  }
  for (; i < width; i++) y[i] = ((x[i] - mean) * factor) * gain[i] + bias[i];
}

/** Four bytes in every 32, zero up to the next multiple of 4. */
INLINE float store_key(const float* x, int32_t count, int8_t* to) {
  const float largest = largest_magnitude(x, count);
  const float inverse = inverse_scale(largest, kByteLimit);
  for (int32_t i = 0; i < count; i += 4, to += 4 * kPanel)
    for (int32_t k = 0; k < 4; k++) to[k] = i + k < count ? (int8_t)rounded(x[i + k], inverse) : 0;
  return largest / kByteLimit;
}

/** Bytes at every second place. */
INLINE float store_value(const float* x, int32_t count, int8_t* to) {
  const float largest = largest_magnitude(x, count);
  const float inverse = inverse_scale(largest, kByteLimit);
  for (int32_t i = 0; i < count; i++) to[2 * i] = (int8_t)rounded(x[i], inverse);
  return largest / kByteLimit;
}

/**
 * keys[block][head][offset / 8][stride / 4][8][4] (as a matrix' weights lie, positions for columns), values[block][head][offset / 2][stride][2]
 * (neighbouring positions side by side, as attention sums them), scales [block][head][offset]. qkv [rows, 3 * width]
 */
INLINE void store_kv_row(const Model& model, const Step& step, const Layer& layer, int32_t row) {
  const int32_t block_size = model.block_size;
  const int32_t slot = step.slots[row];
  const int32_t offset = slot % block_size;
  size_t place = (size_t)(slot / block_size) * model.heads * block_size;
  const float* key = step.qkv + ((size_t)row * 3 + 1) * model.width;
  for (int32_t head = 0; head < model.heads; head++, key += model.head_width, place += block_size) {
    const float* value = key + model.width;
    int8_t* key_row = layer.keys + (place + (offset & ~7)) * model.head_stride + (offset & 7) * 4;
    int8_t* value_row = layer.values + (place + (offset & ~1)) * model.head_stride + (offset & 1);
    layer.key_scales[place + offset] = store_key(key, model.head_width, key_row);
    layer.value_scales[place + offset] = store_value(value, model.head_width, value_row);
  }
}

INLINE int32_t rows_end(const RowsJob& job, int32_t chunk) {
  const int32_t end = (chunk + 1) * job.per_chunk;
  return end < job.rows ? end : job.rows;
}

static void run_embed(const void* context, int32_t chunk, int32_t) {
  const RowsJob& job = *(const RowsJob*)context;
  for (int32_t row = chunk * job.per_chunk; row < rows_end(job, chunk); row++) embed_row(*job.model, *job.step, row);
}

static void run_normalize(const void* context, int32_t chunk, int32_t thread) {
  const RowsJob& job = *(const RowsJob*)context;
  const Model& model = *job.model;
  const Step& step = *job.step;
  auto* normal = (float*)(step.scratch + thread * step.scratch_bytes);
  for (int32_t row = chunk * job.per_chunk; row < rows_end(job, chunk); row++) {
    const int32_t source = job.selection == nullptr ? row : job.selection[row];
    normalize_row(step.x + (size_t)source * model.width, job.gain, job.bias, model.epsilon, model.width, normal);
    quantize_row(step, normal, *job.matrix, job.rows, row);
  }
}

static void run_quantize(const void* context, int32_t chunk, int32_t) {
  const RowsJob& job = *(const RowsJob*)context;
  for (int32_t row = chunk * job.per_chunk; row < rows_end(job, chunk); row++) {
    quantize_row(*job.step, job.x + (size_t)row * job.matrix->depth, *job.matrix, job.rows, row);
  }
}

static void run_store_kv(const void* context, int32_t chunk, int32_t) {
  const RowsJob& job = *(const RowsJob*)context;
  for (int32_t row = chunk * job.per_chunk; row < rows_end(job, chunk); row++) store_kv_row(*job.model, *job.step, *job.layer, row);
}
