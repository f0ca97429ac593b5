/** Packs weight matrices into panels of eight columns as layout.ts describes, and folds a layer norm's gain and bias into the product behind it. */
import type { MatrixSource } from '../tfjs-wasm/quantized/quantize.ts';
import { PANEL, panelsOf, QUAD, quadsOf } from './layout.ts';

/** [panels, n_in / 4, 8, 4] */
export function packFloats({ values, inputStride, outputStride, depth, columns }: MatrixSource): Float32Array {
  const panelLength = quadsOf(depth) * PANEL * QUAD;
  const packed = new Float32Array(panelsOf(columns) * panelLength);
  for (let start = 0; start < columns; start += PANEL) {
    const width = Math.min(PANEL, columns - start);
    for (let i = 0; i < depth; i++) {
      const from = i * inputStride + start * outputStride;
      const to = (start / PANEL) * panelLength + Math.floor(i / QUAD) * PANEL * QUAD + (i % QUAD);
      for (let c = 0; c < width; c++) packed[to + c * QUAD] = values[from + c * outputStride]!;
    }
  }
  return packed;
}

/**
 * norm(x)·W + b with norm(x) = n·gain + shift is n·(gain W) + (shift·W + b). Changes its arguments.
 * @param weight [n_in, n_out]
 * @param bias [n_out]
 */
export function foldNorm(weight: Float32Array, bias: Float32Array, gain: Float32Array, shift: Float32Array): void {
  const columns = bias.length;
  const shifts = new Float64Array(columns);
  for (const [i, factor] of gain.entries()) {
    for (let o = 0; o < columns; o++) {
      const value = weight[i * columns + o]!;
      shifts[o]! += shift[i]! * value;
      weight[i * columns + o] = factor * value;
    }
  }
  for (let o = 0; o < columns; o++) bias[o] = bias[o]! + shifts[o]!;
}
