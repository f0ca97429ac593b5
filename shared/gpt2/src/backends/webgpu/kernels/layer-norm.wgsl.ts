/**
 * (x - mean) / √(variance + ε) · gain + bias (Ba et al. 2016) of the rows `selection` names: [n_rows, n_embd] -> [n_logits, n_embd]. It is the model's last one; those
 * before a layer's products are fused into them. A workgroup makes one row.
 */
import { QUAD, quadsOf, strideOf } from '../layout.ts';
import { BATCH, type ComputeKernel, constants, float, reads, writes } from './kernel.ts';

export interface LayerNormShape {
  readonly width: number;
  readonly epsilon: number;
}

const THREADS = 64;

export const layerNormKernel: ComputeKernel<LayerNormShape> = {
  name: 'InkwellLayerNorm',
  bindings: () => [
    BATCH,
    reads('selection', 'i32'),
    reads('x', 'vec4<f32>'),
    reads('gain', 'vec4<f32>'),
    reads('bias', 'vec4<f32>'),
    writes('out', 'vec4<f32>'),
  ],
  groups: (_, rows) => [rows, 1],
  code({ width, epsilon }) {
    const inside =
      width % QUAD === 0
        ? 'distance'
        : 'select(vec4<f32>(), distance, quad * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(WIDTH))';
    return `
${constants({ WIDTH: width, QUADS: quadsOf(width), STRIDE: strideOf(width), THREADS })}
var<workgroup> parts: array<f32, THREADS>;
fn total(local: u32, part: f32) -> f32 {
  workgroupBarrier();
  parts[local] = part;
  for (var distance = THREADS / 2u; distance > 0u; distance /= 2u) {
    workgroupBarrier();
    if (local < distance) { parts[local] += parts[local + distance]; }
  }
  workgroupBarrier();
  return parts[0];
}
@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let begin = u32(selection[group.x]) * STRIDE;
  var part = 0.0;
  for (var quad = local; quad < QUADS; quad += THREADS) {
    let v = x[begin + quad];
    part += (v.x + v.y) + (v.z + v.w);
  }
  let mean = total(local, part) / f32(WIDTH);
  part = 0.0;
  for (var quad = local; quad < QUADS; quad += THREADS) {
    let distance = x[begin + quad] - mean;
    let v = ${inside};
    part += fma(v.x, v.x, v.y * v.y) + fma(v.z, v.z, v.w * v.w);
  }
  let deviation = inverseSqrt(total(local, part) / f32(WIDTH) + ${float(epsilon)});
  for (var quad = local; quad < QUADS; quad += THREADS) {
    out[group.x * STRIDE + quad] = fma((x[begin + quad] - mean) * deviation, gain[quad], bias[quad]);
  }
}`;
  },
};
