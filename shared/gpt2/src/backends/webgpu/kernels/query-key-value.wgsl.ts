/**
 * norm(x)·W + b for queries, keys and values at once: [n_rows, n_embd] -> 3 × [n_rows, n_embd]. Queries go to `queries` [n_rows, n_head, width], keys and
 * values straight to the rows' slots of the KV cache [n_slots, n_head, width], width being a head's rounded up to whole vectors.
 */
import { panelsOf, QUAD, quadsOf } from '../layout.ts';
import { BATCH, type ComputeKernel, constants, reads, writes } from './kernel.ts';
import { type ProductShape, productBody, productDeclarations, productThreads } from './product.wgsl.ts';
import { weightBindings } from './weights.wgsl.ts';

/** columns is 3 * heads * headWidth */
export interface QueryKeyValueShape extends ProductShape {
  readonly heads: number;
  readonly headWidth: number;
}

export const queryKeyValueKernel: ComputeKernel<QueryKeyValueShape> = {
  name: 'InkwellQueryKeyValue',
  bindings: ({ weights }) => [
    BATCH,
    reads('x', 'vec4<f32>'),
    ...weightBindings('weight', weights),
    reads('bias', 'vec4<f32>'),
    writes('queries', 'f32'),
    writes('keys', 'f32'),
    writes('values', 'f32'),
  ],
  groups: ({ columns }, rows, rowsPerGroup) => [Math.ceil(rows / rowsPerGroup), panelsOf(columns)],
  code(shape, rowsPerGroup) {
    const { heads, headWidth, weights } = shape;
    const scale = weights === 'int8' ? 'scales[column / 4u][column % 4u]' : '1.0';
    return `
${productDeclarations(shape, rowsPerGroup)}
${constants({
  EMBEDDING: heads * headWidth,
  HEAD_WIDTH: headWidth,
  HEAD_STRIDE: quadsOf(headWidth) * QUAD,
  ROW_STRIDE: heads * quadsOf(headWidth) * QUAD,
})}
@compute @workgroup_size(${productThreads(shape)})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let firstRow = group.x * ROWS;
  let panel = group.y;
${productBody(shape, rowsPerGroup)}
  for (var item = local; item < ROWS * 8u; item += THREADS) {
    let row = firstRow + item / 8u;
    let column = panel * 8u + item % 8u;
    if (row < u32(batch[0].x) && column < 3u * EMBEDDING) {
      let sum = sums[(item / 8u) * THREADS + (item % 8u) / 4u][item % 4u];
      let value = fma(sum, ${scale}, bias[column / 4u][column % 4u]);
      let within = column % EMBEDDING;
      let place = (within / HEAD_WIDTH) * HEAD_STRIDE + within % HEAD_WIDTH;
      let slot = u32(batch[1u + row].z);
      switch column / EMBEDDING {
        case 0u: { queries[row * ROW_STRIDE + place] = value; }
        case 1u: { keys[slot * ROW_STRIDE + place] = value; }
        default: { values[slot * ROW_STRIDE + place] = value; }
      }
    }
  }
}`;
  },
};
