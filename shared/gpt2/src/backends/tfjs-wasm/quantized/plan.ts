/**
 * Writes the records that describe a quantised model to the kernels: one 32-bit word per field, in the order of
 * assembly/quantized/plan.ts. Addresses are bytes in TensorFlow.js's heap.
 */
import type { Gpt2Config } from '../../../config.ts';
import { ACTIVATION_CODES } from '../kernels.ts';
import type { ImageLayout, LayerLayout, MatrixLayout, Section } from './image.ts';

const MATRIX_WORDS = 8;
const LAYER_WORDS = 16;
const PLAN_WORDS = 16;
const MATRICES_PER_LAYER = 4;

/** Where the caches of one layer lie. */
export interface CacheAddresses {
  readonly keys: number;
  readonly values: number;
  readonly keyScales: number;
  readonly valueScales: number;
}

export interface PlanInput {
  readonly config: Gpt2Config;
  readonly layout: ImageLayout;
  /** Address of the image. */
  readonly image: number;
  readonly caches: readonly CacheAddresses[];
  readonly blockSize: number;
  readonly threads: number;
  /** Bits of a key's or a value's integer. */
  readonly kvBits: 8 | 4;
}

/** Channels a head's keys have per position, the last of them zeros. */
export function headStride(config: Gpt2Config): number {
  return Math.ceil(config.n_embd / config.n_head / 16) * 16;
}

export function planWords(config: Gpt2Config): number {
  return PLAN_WORDS + config.n_layer * (LAYER_WORDS + MATRICES_PER_LAYER * MATRIX_WORDS) + 2 * MATRIX_WORDS;
}

/** Fills consecutive records. The plan comes first, then the layers, then the matrices. */
class PlanWriter {
  readonly #words: DataView;
  readonly #address: number;
  readonly #image: number;
  #nextMatrix: number;

  constructor(words: DataView, address: number, { config, image }: PlanInput) {
    this.#words = words;
    this.#address = address;
    this.#image = image;
    this.#nextMatrix = (PLAN_WORDS + config.n_layer * LAYER_WORDS) * 4;
  }

  record(at: number, fields: readonly number[]): void {
    for (const [index, value] of fields.entries()) this.#words.setUint32(at + index * 4, value, true);
  }

  float(at: number, field: number, value: number): void {
    this.#words.setFloat32(at + field * 4, value, true);
  }

  at({ offset }: Section): number {
    return this.#image + offset;
  }

  /** Writes a matrix record and returns its address. */
  matrix({ weight, scales, bias, depth, paddedDepth, columns, isGrouped }: MatrixLayout): number {
    const at = this.#nextMatrix;
    this.#nextMatrix += MATRIX_WORDS * 4;
    this.record(at, [
      ...[this.at(weight), this.at(scales), this.at(bias), depth, paddedDepth, columns],
      isGrouped ? 1 : 0,
    ]);
    return this.#address + at;
  }

  layer(index: number, layer: LayerLayout, cache: CacheAddresses, scoreScale: number): void {
    const at = (PLAN_WORDS + index * LAYER_WORDS) * 4;
    this.record(at, [
      this.at(layer.ln_1.weight),
      this.at(layer.ln_1.bias),
      this.matrix(layer.c_attn),
      this.matrix(layer.c_proj),
      this.at(layer.ln_2.weight),
      this.at(layer.ln_2.bias),
      this.matrix(layer.c_fc),
      this.matrix(layer.mlp_c_proj),
      cache.keys,
      cache.values,
      cache.keyScales,
      cache.valueScales,
    ]);
    this.float(at, 12, scoreScale);
  }
}

/** What a score is multiplied by. */
export function scoreScale({ n_embd, n_head, ...config }: Gpt2Config, layer: number): number {
  const scale = config.scale_attn_weights ? 1 / Math.sqrt(n_embd / n_head) : 1;
  return scale / (config.scale_attn_by_inverse_layer_idx ? layer + 1 : 1);
}

/** @param words planWords(config) words of the heap, at `address` */
export function writePlan(words: DataView, address: number, input: PlanInput): void {
  const { config, layout, caches, blockSize, threads, kvBits } = input;
  const writer = new PlanWriter(words, address, input);
  const wte = writer.matrix(layout.wte);
  writer.record(0, [
    config.n_layer,
    config.n_embd,
    config.n_head,
    config.n_embd / config.n_head,
    headStride(config),
    ACTIVATION_CODES[config.activation],
    0,
    blockSize,
    wte,
    writer.at(layout.wpe),
    writer.at(layout.ln_f.weight),
    writer.at(layout.ln_f.bias),
    layout.lm_head === layout.wte ? wte : writer.matrix(layout.lm_head),
    address + PLAN_WORDS * 4,
    threads,
    kvBits,
  ]);
  writer.float(0, 6, config.layer_norm_epsilon);
  for (const [index, layer] of layout.h.entries()) {
    writer.layer(index, layer, caches[index]!, scoreScale(config, index));
  }
}
