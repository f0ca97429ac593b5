/**
 * How matrices lie in graphics memory. A weight matrix [n_in, n_out] is cut into panels of eight columns, each [n_in / 4][8][4]: four inputs of a column are one
 * vector (or, as 8-bit integers, one word), and neighbouring threads read neighbouring vectors. Rows of activations are as wide as whole panels. All padding
 * is zero and stays zero: kernels add nothing to it but zeros.
 */

export const QUAD = 4;
export const PANEL = 8;
const QUADS_PER_PANEL = PANEL / QUAD;
/** Threads that share the inputs of a product, at most; and how many vectors each should have before there are more of them. */
const MOST_SLICES = 64;
const QUADS_PER_SLICE = 4;

export const quadsOf = (width: number) => Math.ceil(width / QUAD);
export const panelsOf = (columns: number) => Math.ceil(columns / PANEL);
/** Vectors from one row of activations to the next. */
export const strideOf = (width: number) => panelsOf(width) * QUADS_PER_PANEL;
/** Floats of a row of activations. */
export const paddedWidth = (width: number) => strideOf(width) * QUAD;

/**
 * Into how many slices a product's inputs are cut: slice s takes the vectors s, s + slices, … in order, then slices are added as a tree. It follows from the
 * model's shape alone, as the order of addition must.
 */
export function slicesOf(depth: number): number {
  let slices = 1;
  while (slices < MOST_SLICES && quadsOf(depth) >= 2 * slices * QUADS_PER_SLICE) slices *= 2;
  return slices;
}

/** The least power of two from `count`, and from `least`. */
export function powerOfTwoFrom(count: number, least = 1): number {
  let power = least;
  while (power < count) power *= 2;
  return power;
}
