/** wte[token] + wpe[position]: [n_rows] -> [n_rows, n_embd]. A workgroup makes one row. wte lies as the output layer's weights do, which it is too. */
import { PANEL, quadsOf, strideOf } from '../layout.ts';
import { BATCH, type ComputeKernel, constants, reads, writes } from './kernel.ts';
import { type WeightKind, weightBindings, weightCode } from './weights.wgsl.ts';

export interface EmbedShape {
  /** n_embd */
  readonly width: number;
  readonly weights: WeightKind;
}

const THREADS = 64;

export const embedKernel: ComputeKernel<EmbedShape> = {
  name: 'InkwellEmbed',
  bindings: ({ weights }) => [
    BATCH,
    ...weightBindings('wte', weights),
    reads('wpe', 'vec4<f32>'),
    writes('out', 'vec4<f32>'),
  ],
  groups: (_, rows) => [rows, 1],
  code({ width, weights }) {
    const scale = weights === 'int8' ? 'scales[token / 4u][token % 4u]' : '1.0';
    return `
${constants({ QUADS: quadsOf(width), OUT_STRIDE: strideOf(width), THREADS })}
${weightCode('wte', weights)}
@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let token = u32(batch[1u + group.x].x);
  let position = u32(batch[1u + group.x].y);
  for (var quad = local; quad < QUADS; quad += THREADS) {
    let value = weightAt(((token / ${PANEL}u) * QUADS + quad) * ${PANEL}u + token % ${PANEL}u);
    out[group.x * OUT_STRIDE + quad] = fma(value, vec4<f32>(${scale}), wpe[position * QUADS + quad]);
  }
}`;
  },
};
