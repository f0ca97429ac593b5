/**
 * The heart of both matrix products: some rows of x, layer-normalised first if asked for, times one panel of eight columns. A workgroup has two threads per
 * slice of the inputs, one for each half of the panel. A column's sum is made of fused multiply-adds in the order of a slice's inputs, then of the slices as a
 * tree; a row's mean and variance are such trees too. Rows only share the weights that were read: how many there are changes no operation of any of them.
 */
import { PANEL, QUAD, quadsOf, slicesOf, strideOf } from '../layout.ts';
import { constants, float } from './kernel.ts';
import { type WeightKind, weightCode } from './weights.wgsl.ts';

export interface ProductShape {
  /** n_in */
  readonly depth: number;
  /** n_out */
  readonly columns: number;
  readonly weights: WeightKind;
  /** Of the layer norm before the product (its gain and bias are folded into the weights); undefined for none. */
  readonly epsilon?: number;
}

const HALVES = 2;

/** Rows whose sums fit one vector of a reduction. */
const vectorsOf = (rows: number) => Math.ceil(rows / QUAD);

type Lines = (line: (row: number) => string) => string;

/** sums[v * THREADS + local] of all v below `vectors` becomes the sum over its threads of the same residue modulo `last`. */
const REDUCE = `
fn reduce(local: u32, vectors: u32, last: u32) {
  for (var distance = THREADS / 2u; distance >= last; distance /= 2u) {
    workgroupBarrier();
    if (local < distance) {
      for (var v = 0u; v < vectors; v++) {
        sums[v * THREADS + local] += sums[v * THREADS + local + distance];
      }
    }
  }
  workgroupBarrier();
}`;

/** Four rows' numbers in one vector each. */
function packed(rows: number, name: string): string {
  return Array.from({ length: vectorsOf(rows) }, (_, v) => {
    const parts = Array.from({ length: QUAD }, (_, i) => (v * QUAD + i < rows ? `${name}${v * QUAD + i}` : '0.0'));
    return `  sums[${v}u * THREADS + local] = vec4<f32>(${parts.join(', ')});`;
  }).join('\n');
}

/** Declares mean<r> and deviation<r>, the inverse of the standard deviation (Ba et al. 2016). */
function statistics({ depth, epsilon = 0 }: ProductShape, rows: number, each: Lines): string {
  const distance = (r: number) => `x[(firstRow + ${r}u) * X_STRIDE + quad] - mean${r}`;
  const masked = (r: number) =>
    depth % QUAD === 0
      ? distance(r)
      : `select(vec4<f32>(), ${distance(r)}, quad * 4u + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(DEPTH))`;
  const total = (r: number) => `sums[${Math.floor(r / QUAD)}u * THREADS][${r % QUAD}]`;
  return `
${each((r) => `  var part${r} = 0.0;`)}
  for (var quad = local; quad < DEPTH_QUADS; quad += THREADS) {
${each((r) => `    { let v = x[(firstRow + ${r}u) * X_STRIDE + quad]; part${r} += (v.x + v.y) + (v.z + v.w); }`)}
  }
${packed(rows, 'part')}
  reduce(local, ${vectorsOf(rows)}u, 1u);
${each((r) => `  let mean${r} = ${total(r)} / f32(DEPTH);`)}
  workgroupBarrier();
${each((r) => `  part${r} = 0.0;`)}
  for (var quad = local; quad < DEPTH_QUADS; quad += THREADS) {
${each((r) => `    { let v = ${masked(r)}; part${r} += fma(v.x, v.x, v.y * v.y) + fma(v.z, v.z, v.w * v.w); }`)}
  }
${packed(rows, 'part')}
  reduce(local, ${vectorsOf(rows)}u, 1u);
${each((r) => `  let deviation${r} = inverseSqrt(${total(r)} / f32(DEPTH) + ${float(epsilon)});`)}
  workgroupBarrier();`;
}

/** Constants, functions and workgroup memory that `productBody` stands on. */
export function productDeclarations(shape: ProductShape, rowsPerGroup: number): string {
  const { depth, weights } = shape;
  const slices = slicesOf(depth);
  return `
${constants({
  ROWS: rowsPerGroup,
  DEPTH: depth,
  DEPTH_QUADS: quadsOf(depth),
  X_STRIDE: strideOf(depth),
  SLICES: slices,
  THREADS: HALVES * slices,
})}
var<workgroup> sums: array<vec4<f32>, ROWS * THREADS>;
${weightCode('weight', weights)}
${REDUCE}
fn multiplyAdd(sum: vec4<f32>, v: vec4<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
  var next = fma(vec4<f32>(v.x), vec4<f32>(w0.x, w1.x, w2.x, w3.x), sum);
  next = fma(vec4<f32>(v.y), vec4<f32>(w0.y, w1.y, w2.y, w3.y), next);
  next = fma(vec4<f32>(v.z), vec4<f32>(w0.z, w1.z, w2.z, w3.z), next);
  return fma(vec4<f32>(v.w), vec4<f32>(w0.w, w1.w, w2.w, w3.w), next);
}`;
}

/**
 * Statements that leave the product of row firstRow + r and half h of the panel in sums[r * THREADS + h], unscaled.
 * They expect firstRow, panel and local: u32.
 */
export function productBody(shape: ProductShape, rowsPerGroup: number): string {
  const each: Lines = (line) => Array.from({ length: rowsPerGroup }, (_, row) => line(row)).join('\n');
  const normalises = shape.epsilon !== undefined;
  const input = (r: number) => {
    const raw = `x[(firstRow + ${r}u) * X_STRIDE + quad]`;
    return normalises ? `(${raw} - mean${r}) * deviation${r}` : raw;
  };
  return `
${normalises ? statistics(shape, rowsPerGroup, each) : ''}
${each((r) => `  var sum${r} = vec4<f32>();`)}
  for (var quad = local / ${HALVES}u; quad < DEPTH_QUADS; quad += SLICES) {
    let at = (panel * DEPTH_QUADS + quad) * ${PANEL}u + (local % ${HALVES}u) * ${QUAD}u;
    let w0 = weightAt(at);
    let w1 = weightAt(at + 1u);
    let w2 = weightAt(at + 2u);
    let w3 = weightAt(at + 3u);
${each((r) => `    sum${r} = multiplyAdd(sum${r}, ${input(r)}, w0, w1, w2, w3);`)}
  }
${each((r) => `  sums[${r}u * THREADS + local] = sum${r};`)}
  reduce(local, ROWS, ${HALVES}u);`;
}

/** Two threads per slice. */
export const productThreads = ({ depth }: ProductShape) => HALVES * slicesOf(depth);
