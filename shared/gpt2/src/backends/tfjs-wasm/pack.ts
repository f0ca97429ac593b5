/**
 * Rearranges weight matrices into panels of eight output columns, [ceil(n_out / 8)][n_in][8], the order in which the
 * linear kernel reads them. Columns beyond n_out are zero.
 */

const PANEL = 8;

function panelArray(nIn: number, nOut: number): Float32Array {
  return new Float32Array(Math.ceil(nOut / PANEL) * nIn * PANEL);
}

/** @param weight [n_in, n_out], the checkpoint's Conv1D layout */
export function packColumns(weight: Float32Array, nIn: number, nOut: number): Float32Array {
  const packed = panelArray(nIn, nOut);
  for (let i = 0; i < nIn; i++) {
    for (let start = 0; start < nOut; start += PANEL) {
      const to = start * nIn + i * PANEL;
      const from = i * nOut + start;
      const width = Math.min(PANEL, nOut - start);
      for (let c = 0; c < width; c++) packed[to + c] = weight[from + c]!;
    }
  }
  return packed;
}

/** @param weight [n_out, n_in], the layout of wte and lm_head */
export function packRows(weight: Float32Array, nIn: number, nOut: number): Float32Array {
  const packed = panelArray(nIn, nOut);
  for (let o = 0; o < nOut; o++) {
    let to = Math.floor(o / PANEL) * PANEL * nIn + (o % PANEL);
    const from = o * nIn;
    for (let i = 0; i < nIn; i++, to += PANEL) packed[to] = weight[from + i]!;
  }
  return packed;
}
