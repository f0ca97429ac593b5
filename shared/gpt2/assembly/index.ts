/** The kernels' entry points. */
import { prepareAttention } from './attention';
import { ATTENTION, EMBED, LAYER_NORM, LINEAR, STORE_KV } from './chunks';
import { dispatch } from './dispatch';
import { prepareLinear, SCRATCH_BYTES } from './linear';
import { attentionScratchBytes } from './quantized/attention';
import { unpackedBytes } from './quantized/groups';
import { TILE_BYTES } from './quantized/linear';
import { gpt2Step } from './quantized/step';
import { prepareEmbed, prepareLayerNorm, prepareStoreKv } from './rows';

export { serve, stop } from './dispatch';

/** Bytes of scratch memory `linear` needs per thread. */
export function linearScratchBytes(): i32 {
  return <i32>SCRATCH_BYTES;
}

export function embed(
  control: usize, tokens: usize, positions: usize, wte: usize, wpe: usize, out: usize, rows: i32, width: i32, rowsPerChunk: i32,
): void {
  dispatch(control, EMBED, prepareEmbed(control, tokens, positions, wte, wpe, out, rows, width, rowsPerChunk));
}

export function layerNorm(
  control: usize, x: usize, selection: usize, gain: usize, bias: usize, out: usize, epsilon: f32, rows: i32, width: i32,
  rowsPerChunk: i32,
): void {
  dispatch(control, LAYER_NORM, prepareLayerNorm(control, x, selection, gain, bias, out, epsilon, rows, width, rowsPerChunk));
}

export function linear(
  control: usize, x: usize, weight: usize, bias: usize, residual: usize, out: usize, scratch: usize, rows: i32, depth: i32,
  columns: i32, activation: i32, panelsPerChunk: i32,
): void {
  dispatch(
    control, LINEAR,
    prepareLinear(control, x, weight, bias, residual, out, scratch, rows, depth, columns, activation, panelsPerChunk),
  );
}

export function storeKv(
  control: usize, qkv: usize, slots: usize, keys: usize, values: usize, rows: i32, heads: i32, headWidth: i32, blockSize: i32,
  rowsPerChunk: i32,
): void {
  dispatch(control, STORE_KV, prepareStoreKv(control, qkv, slots, keys, values, rows, heads, headWidth, blockSize, rowsPerChunk));
}

export function attention(
  control: usize, qkv: usize, keys: usize, values: usize, tables: usize, sequences: usize, positions: usize, out: usize,
  scratch: usize, scale: f32, rows: i32, heads: i32, headWidth: i32, blockSize: i32, tableWidth: i32, scratchWidth: i32,
  itemsPerChunk: i32, rowsFirst: i32,
): void {
  dispatch(
    control, ATTENTION,
    prepareAttention(
      control, qkv, keys, values, tables, sequences, positions, out, scratch, scale, rows, heads, headWidth, blockSize,
      tableWidth, scratchWidth, itemsPerChunk, rowsFirst,
    ),
  );
}

/** A whole step of a quantised model: see quantized/step.ts. */
export function quantizedStep(control: usize, plan: usize, step: usize): void {
  gpt2Step(control, plan, step);
}

/**
 * Bytes of scratch memory a thread needs for a quantised step whose block tables are `tableWidth` wide.
 * @param groupedDepth most inputs of a matrix with group scales, 0 if there is none
 */
export function quantizedScratchBytes(width: i32, headStride: i32, tableWidth: i32, blockSize: i32, groupedDepth: i32): i32 {
  const linear = <i32>TILE_BYTES + unpackedBytes(groupedDepth);
  const most = max(max(linear, width * 4 + 16), attentionScratchBytes(headStride, tableWidth, blockSize));
  return (most + 63) & ~63;
}
