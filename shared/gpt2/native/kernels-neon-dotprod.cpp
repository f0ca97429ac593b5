/** The step for 64-bit Arm processors with the dot product. Everything it uses lies in a namespace of its own: no function may be shared between units compiled for different processors. */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "model.h"
#include "pool.h"

namespace inkwell {
namespace neon_dotprod {

/** How far ahead weights are fetched. */
constexpr int kPrefetchBytes = 1024;
#include "vectors.h"
#include "vector-math.h"
#include "quads-split.h"
#include "activations.h"
#include "neon-shared.h"
#include "tiles-neon-dotprod.h"
#include "linear.h"
#include "rows.h"
#include "rotation.h"
#include "kv4.h"
#include "attention.h"
#include "step.h"

}  // namespace neon_dotprod

extern const Kernels kNeonDotProduct = {"neon-dotprod", neon_dotprod::run_step};

}  // namespace inkwell
#endif
