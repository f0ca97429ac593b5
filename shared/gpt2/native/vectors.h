/**
 * Vectors of four and of eight lanes, and what is done with them. Eight lanes are one vector where the instruction set has such, two vectors elsewhere
 * (left to themselves compilers take a vector that is too wide apart into single lanes).
 * Included inside the namespace of an instruction set.
 */
typedef float f4 __attribute__((vector_size(16)));
typedef int32_t i4 __attribute__((vector_size(16)));
typedef int16_t s8 __attribute__((vector_size(16)));
typedef int8_t b8 __attribute__((vector_size(8)));
#if defined(__AVX__)
typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));
#else
struct f8 {
  f4 low, high;
};
struct i8 {
  i4 low, high;
};
#endif

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
};
#if defined(__AVX__)
template <>
struct Lanes<f8> {
  using Integers = i8;
};
#endif

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

#if defined(__AVX__)
INLINE f4 low_half(f8 v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3); }
INLINE f4 high_half(f8 v) { return __builtin_shufflevector(v, v, 4, 5, 6, 7); }
INLINE f8 to_floats(i8 v) { return __builtin_convertvector(v, f8); }
INLINE s8 to_shorts(f8 v) { return __builtin_convertvector(to_integers(v), s8); }
#else
INLINE f4 low_half(f8 v) { return v.low; }
INLINE f4 high_half(f8 v) { return v.high; }
INLINE f8 operator+(f8 a, f8 b) { return {a.low + b.low, a.high + b.high}; }
INLINE f8 operator*(f8 a, f8 b) { return {a.low * b.low, a.high * b.high}; }
INLINE f8 operator+(f8 a, float b) { return {a.low + b, a.high + b}; }
INLINE f8 operator-(f8 a, float b) { return {a.low - b, a.high - b}; }
INLINE f8 operator*(f8 a, float b) { return {a.low * b, a.high * b}; }
INLINE f8 larger(f8 a, f8 b) { return {larger(a.low, b.low), larger(a.high, b.high)}; }
INLINE f8 magnitude(f8 v) { return {magnitude(v.low), magnitude(v.high)}; }
INLINE f8 nearest(f8 v) { return {nearest(v.low), nearest(v.high)}; }
INLINE f8 to_floats(i8 v) { return {__builtin_convertvector(v.low, f4), __builtin_convertvector(v.high, f4)}; }
INLINE s8 to_shorts(f8 v) {
  typedef int16_t s4 __attribute__((vector_size(8)));
  const s4 low = __builtin_convertvector(to_integers(v.low), s4), high = __builtin_convertvector(to_integers(v.high), s4);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}
#endif
INLINE b8 to_bytes(f8 v) { return __builtin_convertvector(to_shorts(v), b8); }

/** The first `count` lanes, the others zero. */
INLINE f8 first_lanes(f8 v, int32_t count) {
  float lanes[8];
  store(lanes, v);
  for (int32_t i = count; i < 8; i++) lanes[i] = 0;
  return load<f8>(lanes);
}

/** (lane 0 + lane 2) + (lane 1 + lane 3). */
INLINE float sum_lanes(f4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }

INLINE float largest_lane(f8 v) {
  const f4 halves = larger(low_half(v), high_half(v));
  const float a = halves[0] > halves[2] ? halves[0] : halves[2];
  const float b = halves[1] > halves[3] ? halves[1] : halves[3];
  return a > b ? a : b;
}
