/**
 * The activations of the feed-forward layer, on four values. WGSL's own tanh may overflow, so all are made of one logistic function whose exponent is limited:
 * (1 + tanh u) / 2 = 1 / (1 + exp(-2u)).
 */
import type { Activation } from '../../../config.ts';
import { float } from './kernel.ts';

const LOGISTIC = `
fn logistic(x: vec4<f32>) -> vec4<f32> {
  return 1.0 / (1.0 + exp(clamp(-x, vec4<f32>(-80.0), vec4<f32>(80.0))));
}`;

/** GELU by tanh (Hendrycks and Gimpel 2016). */
const GELU_TANH = `${LOGISTIC}
fn activate(x: vec4<f32>) -> vec4<f32> {
  return x * logistic(${float(2 * Math.sqrt(2 / Math.PI))} * fma(${float(0.044715)} * x * x, x, x));
}`;

/** erf to 1.5e-7 (Abramowitz and Stegun 1964, formula 7.1.26). */
const GELU_ERF = `
fn activate(x: vec4<f32>) -> vec4<f32> {
  let size = abs(x) * ${float(Math.SQRT1_2)};
  let t = 1.0 / fma(vec4<f32>(${float(0.3275911)}), size, vec4<f32>(1.0));
  var sum = vec4<f32>(${float(1.061405429)});
  sum = fma(sum, t, vec4<f32>(${float(-1.453152027)}));
  sum = fma(sum, t, vec4<f32>(${float(1.421413741)}));
  sum = fma(sum, t, vec4<f32>(${float(-0.284496736)}));
  sum = fma(sum, t, vec4<f32>(${float(0.254829592)}));
  let erf = sign(x) * (1.0 - sum * t * exp(max(-size * size, vec4<f32>(-80.0))));
  return 0.5 * x * (1.0 + erf);
}`;

const CODE: Readonly<Record<Activation | 'none', string>> = {
  none: 'fn activate(x: vec4<f32>) -> vec4<f32> { return x; }',
  gelu_tanh: GELU_TANH,
  gelu_erf: GELU_ERF,
  relu: 'fn activate(x: vec4<f32>) -> vec4<f32> { return max(x, vec4<f32>()); }',
  silu: `${LOGISTIC}\nfn activate(x: vec4<f32>) -> vec4<f32> { return x * logistic(x); }`,
  tanh: `${LOGISTIC}\nfn activate(x: vec4<f32>) -> vec4<f32> { return 2.0 * logistic(2.0 * x) - 1.0; }`,
};

/** `activate(x)` */
export function activationCode(activation: Activation | 'none'): string {
  return CODE[activation];
}
