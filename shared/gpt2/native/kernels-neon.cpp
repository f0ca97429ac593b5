/** The step for 64-bit Arm processors. Everything it uses lies in a namespace of its own: no function may be shared between units compiled for different processors. */
#if defined(__aarch64__)
#include <arm_neon.h>

#include "model.h"
#include "pool.h"

namespace inkwell {
namespace neon {

/** How far ahead weights are fetched. */
constexpr int kPrefetchBytes = 1024;
#include "vectors.h"
#include "vector-math.h"
#include "quads-whole.h"
#include "activations.h"
#include "neon-shared.h"
#include "tiles-neon.h"
#include "linear.h"
#include "rows.h"
#include "rotation.h"
#include "kv4.h"
#include "attention.h"
#include "step.h"

}  // namespace neon

extern const Kernels kNeon = {"neon", neon::run_step};

}  // namespace inkwell
#endif
