/** The step for any processor. Everything it uses lies in a namespace of its own: no function may be shared between units compiled for different processors. */

#include "model.h"
#include "pool.h"

namespace inkwell {
namespace portable {

#include "vectors.h"
#include "vector-math.h"
#include "quads-whole.h"
#include "activations.h"
#include "tiles-portable.h"
#include "linear.h"
#include "rows.h"
#include "rotation.h"
#include "kv4.h"
#include "attention.h"
#include "step.h"

}  // namespace portable

size_t scratch_bytes(const Model& model, int32_t table_width) {
  const size_t attention = portable::attention_scratch_bytes(model.head_stride, table_width, model.block_size);
  const size_t normal = (size_t)model.width * 4 + 64;
  return ((attention > normal ? attention : normal) + 63) & ~(size_t)63;
}

size_t integer_row_bytes(const Model& model) {
  const int32_t deepest = ((model.width > model.inner ? model.width : model.inner) + kGroupDepth - 1) / kGroupDepth * kGroupDepth;
  return (size_t)deepest * 2;
}

extern const Kernels kPortable = {"portable", portable::run_step};

}  // namespace inkwell
