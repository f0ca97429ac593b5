/** The step for processors with AVX2. Everything it uses lies in a namespace of its own: no function may be shared between units compiled for different processors. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "model.h"
#include "pool.h"

namespace inkwell {
namespace avx2 {

/** How far ahead weights are fetched. */
constexpr int kPrefetchBytes = 2048;
#include "vectors.h"
#include "vector-math.h"
#include "quads-whole.h"
#include "activations.h"
#include "tiles-avx2.h"
#include "linear.h"
#include "rows.h"
#include "rotation.h"
#include "kv4.h"
#include "attention.h"
#include "step.h"

}  // namespace avx2

extern const Kernels kAvx2 = {"avx2", avx2::run_step};

}  // namespace inkwell
#endif
