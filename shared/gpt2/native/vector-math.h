/**
 * Float functions over vectors. Every lane does the operations of assembly/vector-math.ts in their order, multiplications
 * and additions rounded one by one (the build forbids fusing them), so the bits are those of the WebAssembly kernels.
 * Included inside the namespace of an instruction set.
 */
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

#if !defined(__AVX__)
INLINE f8 exponential(f8 v) { return {exponential(v.low), exponential(v.high)}; }
#endif

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

#if !defined(__AVX__)
INLINE f8 activate(f8 x, int32_t activation) { return {activate(x.low, activation), activate(x.high, activation)}; }
#endif
