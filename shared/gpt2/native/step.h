/**
 * A whole GPT-2 step with quantised weights, from tokens to logits. Every phase is a job that the threads share; a phase too small to share runs on
 * the calling thread alone.
 * Included inside the namespace of an instruction set.
 */

/** Below this much work, in multiply-adds or the like, a chunk is not worth handing to another thread. */
constexpr int64_t kWorkPerChunk = 1 << 16;

/** Items per chunk so that a chunk holds at least kWorkPerChunk, but everyone gets several to even out. */
INLINE int32_t per_chunk(int32_t items, int64_t work_per_item, int32_t threads) {
  const int64_t smallest = (kWorkPerChunk + work_per_item - 1) / work_per_item;
  const int64_t even = (items + threads * 8 - 1) / (threads * 8);
  const int64_t wanted = smallest > even ? smallest : even;
  return (int32_t)(wanted < items ? wanted : items);
}

class StepRun {
 public:
  StepRun(Pool& pool, const Model& model, const Step& step) : pool_(pool), model_(model), step_(step) {}

  /** Stores the keys and values of all rows, writes the logits of those selected. */
  void run() {
    RowsJob job = rows_job(step_.rows);
    share_rows(job, run_embed, model_.width * 4);
    for (int32_t l = 0; l < model_.layers; l++) {
      self_attention(model_.layer[l]);
      feed_forward(model_.layer[l]);
    }
    if (step_.selected == 0) return;
    normalize(model_.ln_f_gain, model_.ln_f_bias, model_.lm_head, step_.selection, step_.selected);
    linear(model_.lm_head, nullptr, step_.logits, 0, step_.selected);
  }

 private:
  RowsJob rows_job(int32_t rows) const {
    RowsJob job = {};
    job.model = &model_;
    job.step = &step_;
    job.rows = rows;
    return job;
  }

  void share_rows(RowsJob& job, Pool::Job run, int64_t work_per_row) {
    job.per_chunk = per_chunk(job.rows, work_per_row, pool_.threads());
    pool_.run((job.rows + job.per_chunk - 1) / job.per_chunk, run, &job);
  }

  /** [rows, width] -> integers for `matrix` */
  void normalize(const float* gain, const float* bias, const Matrix& matrix, const int32_t* selection, int32_t rows) {
    RowsJob job = rows_job(rows);
    job.gain = gain;
    job.bias = bias;
    job.matrix = &matrix;
    job.selection = selection;
    share_rows(job, run_normalize, model_.width * 16);
  }

  /** [rows, depth] -> integers for `matrix` */
  void quantize(const float* x, const Matrix& matrix) {
    RowsJob job = rows_job(step_.rows);
    job.x = x;
    job.matrix = &matrix;
    share_rows(job, run_quantize, matrix.depth * 8);
  }

  /** integers [rows, depth] -> [rows, columns] */
  void linear(const Matrix& matrix, const float* residual, float* out, int32_t activation, int32_t rows) {
    LinearJob job = {&step_, &matrix, residual, out, activation, rows, 0};
    const int32_t panels = panels_of(matrix);
    const int64_t work = (int64_t)matrix.padded_depth * kPanel * least(rows, kRowBlock);
    job.panels_per_chunk = per_chunk(panels, work, pool_.threads());
    const int32_t panel_chunks = (panels + job.panels_per_chunk - 1) / job.panels_per_chunk;
    pool_.run(panel_chunks * ((rows + kRowBlock - 1) / kRowBlock), run_linear, &job);
  }

  void store_kv(const Layer& layer) {
    const bool by_heads = model_.kv_bits == 4;
    RowsJob job = rows_job(by_heads ? model_.heads : step_.rows);
    job.layer = &layer;
    if (by_heads) share_rows(job, run_store_kv4, (int64_t)step_.rows * model_.head_stride * 64);
    else share_rows(job, run_store_kv, model_.width * 32);
  }

  void self_attention(const Layer& layer) {
    const int32_t rows = step_.rows;
    normalize(layer.ln_1_gain, layer.ln_1_bias, layer.c_attn, nullptr, rows);
    linear(layer.c_attn, nullptr, step_.qkv, 0, rows);  // -> [rows, 3 * width]
    store_kv(layer);
    AttentionJob job = {&model_, &step_, &layer, 0};
    const int32_t items = rows * model_.heads;
    job.per_chunk = per_chunk(items, (int64_t)step_.mean_length * model_.head_stride * 4, pool_.threads());
    pool_.run((items + job.per_chunk - 1) / job.per_chunk, run_attention, &job);  // -> [rows, width]
    quantize(step_.attended, layer.c_proj);
    linear(layer.c_proj, step_.x, step_.x, 0, rows);
  }

  void feed_forward(const Layer& layer) {
    normalize(layer.ln_2_gain, layer.ln_2_bias, layer.c_fc, nullptr, step_.rows);
    linear(layer.c_fc, nullptr, step_.hidden, model_.activation, step_.rows);  // -> [rows, n_inner]
    quantize(step_.hidden, layer.mlp_c_proj);
    linear(layer.mlp_c_proj, step_.x, step_.x, 0, step_.rows);  // -> [rows, width]
  }

  Pool& pool_;
  const Model& model_;
  const Step& step_;
};

static void run_step(Pool& pool, const Model& model, const Step& step) { StepRun(pool, model, step).run(); }
