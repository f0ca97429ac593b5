/** Which models can be quantised, and what their cache takes. */
import type { Gpt2Config } from '../../../config.ts';
import { imageLayout, type QuantizedKind } from './image.ts';
import { headStride } from './plan.ts';

/** Sums of products of 8-bit weights and 12-bit activations must fit 32 bits: 8256 · 127 · 2047 < 2^31. */
const MAX_DEPTH = 8256;
/** Positions whose scores are computed together. */
const POSITIONS_TOGETHER = 8;

/** Why this model cannot be quantised; undefined if it can. */
export function quantizationObstacle(config: Gpt2Config, blockSize: number): string | undefined {
  const depth = Math.max(config.n_embd, config.n_inner);
  if (depth > MAX_DEPTH) return `a layer has ${depth} inputs, quantised weights allow ${MAX_DEPTH}`;
  if (blockSize % POSITIONS_TOGETHER !== 0)
    return `blockSize must be a multiple of ${POSITIONS_TOGETHER}, got ${blockSize}`;
  return undefined;
}

/** Bits of a key's or a value's integer. */
export type KvBits = 8 | 4;

export const kvBitsOf = (kvCache: 'int8' | 'int4'): KvBits => (kvCache === 'int4' ? 4 : 8);

/** Bytes of a position's integers and of its scale, of one head's keys or values. */
export function kvBytes(config: Gpt2Config, bits: KvBits): { integers: number; scale: number } {
  return { integers: (headStride(config) * bits) / 8, scale: bits === 4 ? 2 : 4 };
}

/** Bytes of one KV block over all layers. */
export function quantizedBlockBytes(config: Gpt2Config, blockSize: number, bits: KvBits): number {
  const { integers, scale } = kvBytes(config, bits);
  return 2 * config.n_layer * config.n_head * blockSize * (integers + scale);
}

export function quantizedWeightBytes(config: Gpt2Config, kind: QuantizedKind): number {
  return imageLayout(config, kind).bytes;
}

/** What a quantised model must hold: its weights, and a block of the KV cache. */
export function quantizedBytes(config: Gpt2Config, kind: QuantizedKind, kvCache: 'int8' | 'int4', blockSize: number) {
  return {
    weights: quantizedWeightBytes(config, kind),
    block: quantizedBlockBytes(config, blockSize, kvBitsOf(kvCache)),
  };
}
