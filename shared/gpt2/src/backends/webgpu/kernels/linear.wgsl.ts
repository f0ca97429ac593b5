/**
 * activation(norm(x)·W + b), put into `out` or added to it: [n_rows, n_in] -> [n_rows, n_out]. It is the attention's projection with its residual, both layers of
 * the feed-forward network, and the output layer.
 */
import type { Activation } from '../../../config.ts';
import { panelsOf, strideOf } from '../layout.ts';
import { activationCode } from './activations.wgsl.ts';
import { BATCH, type ComputeKernel, constants, reads, writes } from './kernel.ts';
import { type ProductShape, productBody, productDeclarations, productThreads } from './product.wgsl.ts';
import { weightBindings } from './weights.wgsl.ts';

export interface LinearShape extends ProductShape {
  readonly activation: Activation | 'none';
  /** Adds to what `out` holds: the residual connection. */
  readonly accumulates: boolean;
  /** Which of the batch's counts says how many rows x has. */
  readonly counts: 'rows' | 'logits';
}

export const linearKernel: ComputeKernel<LinearShape> = {
  name: 'InkwellLinear',
  bindings: ({ weights }) => [
    BATCH,
    reads('x', 'vec4<f32>'),
    ...weightBindings('weight', weights),
    reads('bias', 'vec4<f32>'),
    writes('out', 'vec4<f32>'),
  ],
  groups: ({ columns }, rows, rowsPerGroup) => [Math.ceil(rows / rowsPerGroup), panelsOf(columns)],
  code(shape, rowsPerGroup) {
    const { columns, weights, activation, accumulates, counts } = shape;
    const scale = weights === 'int8' ? 'scales[column]' : 'vec4<f32>(1.0)';
    return `
${productDeclarations(shape, rowsPerGroup)}
${constants({ OUT_STRIDE: strideOf(columns) })}
${activationCode(activation)}
@compute @workgroup_size(${productThreads(shape)})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let firstRow = group.x * ROWS;
  let panel = group.y;
${productBody(shape, rowsPerGroup)}
  for (var item = local; item < ROWS * 2u; item += THREADS) {
    let row = firstRow + item / 2u;
    if (row < u32(batch[0].${counts === 'rows' ? 'x' : 'y'})) {
      let column = panel * 2u + item % 2u;
      let value = activate(fma(sums[(item / 2u) * THREADS + item % 2u], ${scale}, bias[column]));
      let at = row * OUT_STRIDE + column;
      out[at] = ${accumulates ? 'out[at] + value' : 'value'};
    }
  }
}`;
  },
};
