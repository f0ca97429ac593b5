/** The innermost loops: sums of products of 12-bit activations and 8-bit weights, as exact integers, of 1 to 4 rows and one panel of eight columns. */

/** Bytes of partial sums of one row: eight columns, two sums each. */
export const SUM_BYTES: usize = 64;

/** sum + Σ of neighbouring products: eight weights (two columns, four inputs) by four inputs twice. */
@inline
function dot(weights: v128, inputs: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(weights, inputs));
}

/*
 * Tiles of 1 to 4 rows by one panel. The four vectors of a row are stored side by side: where the engine can, it joins such
 * neighbours to vectors of twice the width.
 */

export function tile1(x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  const end = w + (<usize>paddedDepth << 3);
  // Four quads at a time: the fewer instructions a byte takes, the further ahead of its sums the processor fetches.
  for (const whole = w + (<usize>(paddedDepth & ~15) << 3); w < whole; ) {
    let u: v128;
    u = v128.load64_splat(x, 0);
    a0 = dot(v128.load8x8_s(w, 0), u, a0); a1 = dot(v128.load8x8_s(w, 8), u, a1);
    a2 = dot(v128.load8x8_s(w, 16), u, a2); a3 = dot(v128.load8x8_s(w, 24), u, a3);
    u = v128.load64_splat(x, 8);
    a0 = dot(v128.load8x8_s(w, 32), u, a0); a1 = dot(v128.load8x8_s(w, 40), u, a1);
    a2 = dot(v128.load8x8_s(w, 48), u, a2); a3 = dot(v128.load8x8_s(w, 56), u, a3);
    u = v128.load64_splat(x, 16);
    a0 = dot(v128.load8x8_s(w, 64), u, a0); a1 = dot(v128.load8x8_s(w, 72), u, a1);
    a2 = dot(v128.load8x8_s(w, 80), u, a2); a3 = dot(v128.load8x8_s(w, 88), u, a3);
    u = v128.load64_splat(x, 24);
    a0 = dot(v128.load8x8_s(w, 96), u, a0); a1 = dot(v128.load8x8_s(w, 104), u, a1);
    a2 = dot(v128.load8x8_s(w, 112), u, a2); a3 = dot(v128.load8x8_s(w, 120), u, a3);
    w += 128;
    x += 32;
  }
  while (w < end) {
    const u = v128.load64_splat(x);
    a0 = dot(v128.load8x8_s(w), u, a0); a1 = dot(v128.load8x8_s(w, 8), u, a1);
    a2 = dot(v128.load8x8_s(w, 16), u, a2); a3 = dot(v128.load8x8_s(w, 24), u, a3);
    w += 32;
    x += 8;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
}

function tile2(x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  const end = w + (<usize>paddedDepth << 3);
  while (w < end) {
    const w0 = v128.load8x8_s(w), w1 = v128.load8x8_s(w, 8), w2 = v128.load8x8_s(w, 16), w3 = v128.load8x8_s(w, 24);
    const u = v128.load64_splat(x), v = v128.load64_splat(x, 8);
    a0 = dot(w0, u, a0); a1 = dot(w1, u, a1); a2 = dot(w2, u, a2); a3 = dot(w3, u, a3);
    b0 = dot(w0, v, b0); b1 = dot(w1, v, b1); b2 = dot(w2, v, b2); b3 = dot(w3, v, b3);
    w += 32;
    x += 16;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
  v128.store(sums, b0, 64); v128.store(sums, b1, 80); v128.store(sums, b2, 96); v128.store(sums, b3, 112);
}

function tile3(x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  let c0 = zero, c1 = zero, c2 = zero, c3 = zero;
  const end = w + (<usize>paddedDepth << 3);
  while (w < end) {
    const w0 = v128.load8x8_s(w), w1 = v128.load8x8_s(w, 8), w2 = v128.load8x8_s(w, 16), w3 = v128.load8x8_s(w, 24);
    let u = v128.load64_splat(x);
    a0 = dot(w0, u, a0); a1 = dot(w1, u, a1); a2 = dot(w2, u, a2); a3 = dot(w3, u, a3);
    u = v128.load64_splat(x, 8);
    b0 = dot(w0, u, b0); b1 = dot(w1, u, b1); b2 = dot(w2, u, b2); b3 = dot(w3, u, b3);
    u = v128.load64_splat(x, 16);
    c0 = dot(w0, u, c0); c1 = dot(w1, u, c1); c2 = dot(w2, u, c2); c3 = dot(w3, u, c3);
    w += 32;
    x += 24;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
  v128.store(sums, b0, 64); v128.store(sums, b1, 80); v128.store(sums, b2, 96); v128.store(sums, b3, 112);
  v128.store(sums, c0, 128); v128.store(sums, c1, 144); v128.store(sums, c2, 160); v128.store(sums, c3, 176);
}

function tile4(x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  const zero = i32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  let c0 = zero, c1 = zero, c2 = zero, c3 = zero, d0 = zero, d1 = zero, d2 = zero, d3 = zero;
  const end = w + (<usize>paddedDepth << 3);
  while (w < end) {
    const w0 = v128.load8x8_s(w), w1 = v128.load8x8_s(w, 8), w2 = v128.load8x8_s(w, 16), w3 = v128.load8x8_s(w, 24);
    let u = v128.load64_splat(x);
    a0 = dot(w0, u, a0); a1 = dot(w1, u, a1); a2 = dot(w2, u, a2); a3 = dot(w3, u, a3);
    u = v128.load64_splat(x, 8);
    b0 = dot(w0, u, b0); b1 = dot(w1, u, b1); b2 = dot(w2, u, b2); b3 = dot(w3, u, b3);
    u = v128.load64_splat(x, 16);
    c0 = dot(w0, u, c0); c1 = dot(w1, u, c1); c2 = dot(w2, u, c2); c3 = dot(w3, u, c3);
    u = v128.load64_splat(x, 24);
    d0 = dot(w0, u, d0); d1 = dot(w1, u, d1); d2 = dot(w2, u, d2); d3 = dot(w3, u, d3);
    w += 32;
    x += 32;
  }
  v128.store(sums, a0); v128.store(sums, a1, 16); v128.store(sums, a2, 32); v128.store(sums, a3, 48);
  v128.store(sums, b0, 64); v128.store(sums, b1, 80); v128.store(sums, b2, 96); v128.store(sums, b3, 112);
  v128.store(sums, c0, 128); v128.store(sums, c1, 144); v128.store(sums, c2, 160); v128.store(sums, c3, 176);
  v128.store(sums, d0, 192); v128.store(sums, d1, 208); v128.store(sums, d2, 224); v128.store(sums, d3, 240);
}

export function tile(rows: i32, x: usize, w: usize, paddedDepth: i32, sums: usize): void {
  switch (rows) {
    case 1: return tile1(x, w, paddedDepth, sums);
    case 2: return tile2(x, w, paddedDepth, sums);
    case 3: return tile3(x, w, paddedDepth, sums);
    default: return tile4(x, w, paddedDepth, sums);
  }
}

/** Adds the two sums of each of four columns, as floats. */
@inline
export function foldColumns(low: v128, high: v128): v128 {
  const even = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  const odd = v128.shuffle<i32>(low, high, 1, 3, 5, 7);
  return f32x4.convert_i32x4_s(i32x4.add(even, odd));
}
