/**
 * Rounds weight matrices to 8-bit integers, one scale per output column: w ≈ scale · q with scale = max|w| / 127, and packs
 * them in panels of eight columns, [ceil(n_out / 8)][paddedDepth / 4][8][4], the order in which the kernel reads them. Padding is zero.
 * Only IEEE 754 operations that every machine rounds alike, so the same weights give the same bytes everywhere.
 */

const LIMIT = 127;
const PANEL = 8;
const QUAD = 4;

/** Where a matrix lies: element (input i, output o) is values[i * inputStride + o * outputStride]. */
export interface MatrixSource {
  readonly values: Float32Array;
  readonly inputStride: number;
  readonly outputStride: number;
  readonly depth: number;
  readonly columns: number;
}

export interface PackedMatrix {
  readonly weight: Int8Array;
  readonly scales: Float32Array;
}

/** The checkpoint's Conv1D layout: [n_in, n_out]. */
export function conv1d(values: Float32Array, depth: number, columns: number): MatrixSource {
  return { values, inputStride: columns, outputStride: 1, depth, columns };
}

/** The layout of wte and lm_head: [n_out, n_in]. */
export function embedding(values: Float32Array, depth: number, columns: number): MatrixSource {
  return { values, inputStride: 1, outputStride: depth, depth, columns };
}

/** max|w| of the columns from `start`. */
function largestMagnitudes({ values, inputStride, outputStride, depth }: MatrixSource, start: number, width: number) {
  const largest = new Float32Array(PANEL);
  for (let i = 0; i < depth; i++) {
    const from = i * inputStride + start * outputStride;
    for (let c = 0; c < width; c++) {
      const magnitude = Math.abs(values[from + c * outputStride]!);
      if (magnitude > largest[c]!) largest[c] = magnitude;
    }
  }
  return largest;
}

/** @param to zeroed memory of the matrix' padded size */
export function quantizeMatrix(source: MatrixSource, to: PackedMatrix): void {
  const { values, inputStride, outputStride, depth, columns } = source;
  const panelBytes = Math.ceil(depth / QUAD) * QUAD * PANEL;
  for (let start = 0; start < columns; start += PANEL) {
    const width = Math.min(PANEL, columns - start);
    const largest = largestMagnitudes(source, start, width);
    const panel = (start / PANEL) * panelBytes;
    const inverse = new Float64Array(PANEL);
    for (let c = 0; c < width; c++) {
      to.scales[start + c] = largest[c]! / LIMIT;
      inverse[c] = largest[c]! > 0 ? LIMIT / largest[c]! : 0;
    }
    for (let i = 0; i < depth; i++) {
      const from = i * inputStride + start * outputStride;
      const at = panel + (i >> 2) * (PANEL * QUAD) + (i & 3);
      for (let c = 0; c < width; c++) {
        to.weight[at + c * QUAD] = Math.round(values[from + c * outputStride]! * inverse[c]!);
      }
    }
  }
}
