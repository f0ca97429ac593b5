/** The step for processors with AVX512-VNNI. Everything it uses lies in a namespace of its own: no function may be shared between units compiled for different processors. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "model.h"
#include "pool.h"

namespace inkwell {
namespace avx512_vnni {

/** How far ahead weights are fetched. */
constexpr int kPrefetchBytes = 2048;
#include "vectors.h"
#include "vector-math.h"
#include "quads-whole.h"
#include "activations.h"
#include "tiles-avx512-vnni.h"
#include "linear.h"
#include "rows.h"
#include "rotation.h"
#include "kv4.h"
#include "attention.h"
#include "step.h"

}  // namespace avx512_vnni

extern const Kernels kAvx512Vnni = {"avx512-vnni", avx512_vnni::run_step};

}  // namespace inkwell
#endif
