/**
 * Float functions over vectors of four or eight lanes. Every lane does the operations of assembly/vector-math.ts in their order, multiplications
 * and additions rounded one by one (the build forbids fusing them), so the bits are those of the WebAssembly kernels.
 * Included inside the namespace of an instruction set.
 */
typedef float f4 __attribute__((vector_size(16)));
typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i4 __attribute__((vector_size(16)));
typedef int32_t i8 __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

template <int I>
struct Index {
  static constexpr int value = I;
  constexpr operator int() const { return I; }
};

/** f(0) … f(N - 1), each a constant: arrays indexed by them live in registers, which compilers do not manage with loops. */
template <int N, class F>
INLINE void each(F&& f) {
  if constexpr (N > 0) {
    each<N - 1>(f);
    f(Index<N - 1>{});
  }
}

#define EACH_BODY [&](auto r) __attribute__((always_inline))

template <class V>
struct Lanes;
template <>
struct Lanes<f4> {
  using Integers = i4;
  static constexpr int count = 4;
};
template <>
struct Lanes<f8> {
  using Integers = i8;
  static constexpr int count = 8;
};

template <class V>
INLINE V load(const void* at) {
  V v;
  __builtin_memcpy(&v, at, sizeof v);
  return v;
}

template <class V>
INLINE void store(void* at, V v) {
  __builtin_memcpy(at, &v, sizeof v);
}

template <class V>
INLINE V splat(float value) {
  return V{} + value;
}

INLINE f4 low_half(f8 v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3); }
INLINE f4 high_half(f8 v) { return __builtin_shufflevector(v, v, 4, 5, 6, 7); }

template <class V>
INLINE V larger(V a, V b) {
  return a > b ? a : b;
}

template <class V>
INLINE V smaller(V a, V b) {
  return a < b ? a : b;
}

template <class V>
INLINE V magnitude(V v) {
  return (V)((typename Lanes<V>::Integers)v & 0x7fffffff);
}

/** Nearest whole number, ties to even, for magnitudes below 2^22. */
template <class V>
INLINE V nearest(V v) {
  const V shift = splat<V>(12582912.0f);
  return (v + shift) - shift;
}

template <class V>
INLINE auto to_integers(V v) {
  return __builtin_convertvector(v, typename Lanes<V>::Integers);
}

/** (lane 0 + lane 2) + (lane 1 + lane 3). */
INLINE float sum_lanes(f4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }

INLINE float largest_lane(f8 v) {
  const f4 halves = larger(low_half(v), high_half(v));
  const float a = halves[0] > halves[2] ? halves[0] : halves[2];
  const float b = halves[1] > halves[3] ? halves[1] : halves[3];
  return a > b ? a : b;
}

template <class V>
INLINE V exponential(V x) {
  const V clamped = larger(splat<V>(-87), smaller(splat<V>(88), x));
  const V n = nearest(clamped * 1.44269504088896f);
  const V r = (clamped - n * 0.693359375f) - n * -2.12194440054e-4f;
  V p = splat<V>(1.0f / 5040.0f) * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const auto power = (to_integers(n) + 127) << 23;
  return p * (V)power;
}

/** x / (1 + e^-t). */
template <class V>
INLINE V times_logistic(V x, V t) {
  return x / (1.0f + exponential(-t));
}

template <class V>
INLINE V gelu_tanh(V x) {
  const V inner = (x * x) * 0.0713548162726f + 1.5957691216057f;
  return times_logistic(x, x * inner);
}

template <class V>
INLINE V gelu_erf(V x) {
  using I = typename Lanes<V>::Integers;
  const V z = magnitude(x) * 0.70710678118654752f;
  const V t = 1.0f / (splat<V>(0.3275911f) * z + 1.0f);
  V p = splat<V>(1.061405429f) * t + -1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t + -0.284496736f;
  p = p * t + 0.254829592f;
  const V tail = (p * t) * exponential(-(z * z));
  const V erf = 1.0f - tail;
  const V with_sign = (V)(((I)erf & 0x7fffffff) | ((I)x & (int32_t)0x80000000));
  return (0.5f * x) * (1.0f + with_sign);
}

/** Codes agree with ACTIVATION_CODES in src/backends/tfjs-wasm/kernels.ts. */
template <class V>
INLINE V activate(V x, int32_t activation) {
  switch (activation) {
    case 1: return gelu_tanh(x);
    case 2: return gelu_erf(x);
    case 3: return larger(x, splat<V>(0));
    case 4: return times_logistic(x, x);
    case 5: return 1.0f - 2.0f / (exponential(x * 2.0f) + 1.0f);
    default: return x;
  }
}
