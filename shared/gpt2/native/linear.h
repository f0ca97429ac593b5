/**
 * y = activation(s·q·W + b) + residual. The sum of products is an exact integer; the few float operations at its end have one fixed order, that of
 * assembly/quantized/linear.ts.
 * Included inside the namespace of an instruction set.
 */

/** Rows a chunk works on: their integers stay in the second-level cache while panels stream by. */
constexpr int32_t kRowBlock = 64;

struct LinearJob {
  const Step* step;
  const Matrix* matrix;
  const float* residual;
  float* out;
  int32_t activation;
  int32_t rows;
  int32_t panels_per_chunk;
};

INLINE int32_t panels_of(const Matrix& matrix) { return (matrix.columns + kPanel - 1) / kPanel; }

template <int R>
INLINE void tile_of(const Matrix& matrix, const uint8_t* x, int32_t panel, i8* sums) {
  if (matrix.kind == WeightKind::int8) {
    const int8_t* w = (const int8_t*)matrix.weight + (size_t)panel * matrix.padded_depth * kPanel;
    tile_int8<R>((const int16_t*)x, w, matrix.padded_depth / 4, sums);
  } else {
    const int32_t groups = matrix.padded_depth / kGroupDepth;
    const size_t before = (size_t)panel * groups;
    tile_w4<R>(x, matrix.weight + before * 16 * kPanel, matrix.group_scales + before * kPanel, groups, sums);
  }
}

/** Writes a tile's rows: all eight columns, or the fewer of the last panel. */
INLINE void finish_tile(const LinearJob& job, const i8* sums, int32_t row, int32_t rows, int32_t column) {
  const Matrix& matrix = *job.matrix;
  const f8 scale = load<f8>(matrix.scales + column);
  const f8 bias = load<f8>(matrix.bias + column);
  const int32_t width = matrix.columns - column < kPanel ? matrix.columns - column : kPanel;
  for (int32_t r = 0; r < rows; r++) {
    const f8 product = (to_floats(sums[r]) * scale) * job.step->integer_scales[row + r] + bias;
    const f8 y = activate(product, job.activation);
    const size_t at = (size_t)(row + r) * matrix.columns + column;
    if (width == kPanel) {
      store(job.out + at, job.residual == nullptr ? y : y + load<f8>(job.residual + at));
    } else {
      float lanes[kPanel];
      store(lanes, y);
      for (int32_t c = 0; c < width; c++) job.out[at + c] = job.residual == nullptr ? lanes[c] : lanes[c] + job.residual[at + c];
    }
  }
}

static void run_linear(const void* context, int32_t chunk, int32_t) {
  const LinearJob& job = *(const LinearJob*)context;
  const Matrix& matrix = *job.matrix;
  const int32_t panels = panels_of(matrix);
  const int32_t panel_chunks = (panels + job.panels_per_chunk - 1) / job.panels_per_chunk;
  const int32_t row_start = chunk / panel_chunks * kRowBlock;
  const int32_t row_end = row_start + kRowBlock < job.rows ? row_start + kRowBlock : job.rows;
  const int32_t first = chunk % panel_chunks * job.panels_per_chunk;
  const int32_t last = first + job.panels_per_chunk < panels ? first + job.panels_per_chunk : panels;
  const int32_t bytes = row_bytes(matrix.kind, matrix.padded_depth);
  i8 sums[kRowGroup];
  for (int32_t panel = first; panel < last; panel++) {
    for (int32_t row = row_start; row < row_end; row += kRowGroup) {
      const int32_t group = row_end - row < kRowGroup ? row_end - row : kRowGroup;
      const uint8_t* x = job.step->integers + (size_t)row * bytes;
      switch (group) {
        case 1: tile_of<1>(matrix, x, panel, sums); break;
        case 2: tile_of<2>(matrix, x, panel, sums); break;
        case 3: tile_of<3>(matrix, x, panel, sums); break;
        default: tile_of<4>(matrix, x, panel, sums);
      }
      finish_tile(job, sums, row, group, panel * kPanel);
    }
  }
}
