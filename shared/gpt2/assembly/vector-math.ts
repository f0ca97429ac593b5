/**
 * Four-lane float functions. Only plain SIMD multiplications and additions are used, never the relaxed fused ones, so
 * the same bits come out on every processor.
 */

@inline
export function splat(value: f32): v128 {
  return f32x4.splat(value);
}

/** a * b + c, rounded twice. */
@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  return f32x4.add(f32x4.mul(a, b), c);
}

/** (lane 0 + lane 2) + (lane 1 + lane 3). */
@inline
export function horizontalSum(v: v128): f32 {
  const folded = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(folded, 0) + f32x4.extract_lane(folded, 1);
}

/**
 * e^x, relative error about 2e-7; x is clamped to [-87, 88], NaN stays NaN.
 * x = n·ln2 + r (ln2 in two parts), Taylor polynomial of degree 7 on |r| <= ln2/2, then 2^n through the exponent bits.
 */
@inline
export function exponential(x: v128): v128 {
  const clamped = f32x4.max(splat(-87), f32x4.min(splat(88), x));
  const n = f32x4.nearest(f32x4.mul(clamped, splat(1.44269504088896)));
  const r = f32x4.sub(f32x4.sub(clamped, f32x4.mul(n, splat(0.693359375))), f32x4.mul(n, splat(-2.12194440054e-4)));
  let p = multiplyAdd(splat(1.0 / 5040.0), r, splat(1.0 / 720.0));
  p = multiplyAdd(p, r, splat(1.0 / 120.0));
  p = multiplyAdd(p, r, splat(1.0 / 24.0));
  p = multiplyAdd(p, r, splat(1.0 / 6.0));
  p = multiplyAdd(p, r, splat(0.5));
  p = multiplyAdd(p, r, splat(1));
  p = multiplyAdd(p, r, splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return f32x4.mul(p, power);
}

/** x / (1 + e^-t): x times the logistic function of t. */
@inline
function timesLogistic(x: v128, t: v128): v128 {
  return f32x4.div(x, f32x4.add(splat(1), exponential(f32x4.neg(t))));
}

/** 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), by tanh(u) = 2·logistic(2u) - 1. (Hendrycks, Gimpel 2016) */
@inline
function geluTanh(x: v128): v128 {
  const inner = multiplyAdd(f32x4.mul(x, x), splat(0.0713548162726), splat(1.5957691216057));
  return timesLogistic(x, f32x4.mul(x, inner));
}

/** x·Φ(x), with erf by Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7). */
@inline
function geluErf(x: v128): v128 {
  const z = f32x4.mul(f32x4.abs(x), splat(0.70710678118654752));
  const t = f32x4.div(splat(1), multiplyAdd(splat(0.3275911), z, splat(1)));
  let p = multiplyAdd(splat(1.061405429), t, splat(-1.453152027));
  p = multiplyAdd(p, t, splat(1.421413741));
  p = multiplyAdd(p, t, splat(-0.284496736));
  p = multiplyAdd(p, t, splat(0.254829592));
  const tail = f32x4.mul(f32x4.mul(p, t), exponential(f32x4.neg(f32x4.mul(z, z))));
  const erf = f32x4.sub(splat(1), tail);
  const signed = v128.bitselect(x, erf, i32x4.splat(0x80000000));
  return f32x4.mul(f32x4.mul(splat(0.5), x), f32x4.add(splat(1), signed));
}

/** Codes agree with ACTIVATION_CODES in src/backends/tfjs-wasm/kernels.ts. */
@inline
export function activate(x: v128, activation: i32): v128 {
  switch (activation) {
    case 1:
      return geluTanh(x);
    case 2:
      return geluErf(x);
    case 3:
      return f32x4.max(x, splat(0));
    case 4:
      return timesLogistic(x, x);
    case 5: {
      const e = exponential(f32x4.mul(x, splat(2)));
      return f32x4.sub(splat(1), f32x4.div(splat(2), f32x4.add(e, splat(1))));
    }
    default:
      return x;
  }
}
