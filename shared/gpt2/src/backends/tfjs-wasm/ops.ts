/**
 * The operations GPT-2 is made of, as functions over TensorFlow.js tensors. Each runs one of our kernels through the
 * engine, so inside tf.tidy their results are freed like any tensor's.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from '../../config.ts';
import { ACTIVATION_CODES } from './kernels.ts';
import { KERNEL_NAMES } from './register-kernels.ts';

/** A linear layer ready for the kernel. */
export interface LinearWeights {
  /** [ceil(n_out / 8), n_in, 8]: panels of eight columns, zero beyond n_out. */
  readonly weight: tf.Tensor3D;
  /** [ceil(n_out / 8) * 8] */
  readonly bias: tf.Tensor1D;
  readonly n_out: number;
}

export interface LayerNormWeights {
  readonly weight: tf.Tensor1D;
  readonly bias: tf.Tensor1D;
  readonly epsilon: number;
}

/** Keys and values of one layer: [blockCount, n_head, blockSize, n_embd / n_head] each. */
export interface KvCache {
  readonly keys: tf.Tensor4D;
  readonly values: tf.Tensor4D;
}

/** The rows of one step, as the kernels want them. */
export interface StepTensors {
  /** [n_rows] */
  readonly tokens: tf.Tensor1D;
  /** [n_rows] */
  readonly positions: tf.Tensor1D;
  /** [n_rows], indices into `tables` */
  readonly sequences: tf.Tensor1D;
  /** [n_rows], block * blockSize + offset of the row's own position */
  readonly slots: tf.Tensor1D;
  /** [n_sequences, longest table] */
  readonly tables: tf.Tensor2D;
  /** Mean number of positions a row attends to; only sizes the chunks of work. */
  readonly meanLength: number;
}

/** Who does the work, and the working memory each of them has. */
export interface Workshop {
  readonly control: number;
  readonly threads: number;
  /** [threads, bytes / 4]: partial sums of `linear`. */
  readonly sums: tf.Tensor2D;
  /** [threads, n_positions rounded up to 4]: attention weights. */
  readonly scores: tf.Tensor2D;
}

function run<T extends tf.Tensor>(name: string, shop: Workshop, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap): T {
  const all = { control: shop.control, threads: shop.threads, ...attrs };
  return tf.engine().runKernel(name, inputs, all) as tf.Tensor as T;
}

/** wte[tokens] + wpe[positions]: [n_rows] -> [n_rows, n_embd] */
export function embed(shop: Workshop, step: StepTensors, wte: tf.Tensor3D, wpe: tf.Tensor2D): tf.Tensor2D {
  return run(KERNEL_NAMES.embed, shop, { tokens: step.tokens, positions: step.positions, wte, wpe }, {});
}

/**
 * Normalises every row, or those `selection` names: [n_rows, n_embd] -> [n_rows or n_selected, n_embd]
 */
export function layerNorm(
  shop: Workshop,
  x: tf.Tensor2D,
  { weight, bias, epsilon }: LayerNormWeights,
  selection?: tf.Tensor1D,
): tf.Tensor2D {
  const inputs = { x, gain: weight, bias, ...(selection && { selection }) };
  return run(KERNEL_NAMES.layerNorm, shop, inputs, { epsilon, rows: selection?.size ?? x.shape[0] });
}

/** activation(x·W + b) + residual: [n_rows, n_in] -> [n_rows, n_out] */
export function linear(
  shop: Workshop,
  x: tf.Tensor2D,
  { weight, bias, n_out }: LinearWeights,
  { activation = 'none', residual }: { activation?: Activation | 'none'; residual?: tf.Tensor2D } = {},
): tf.Tensor2D {
  const inputs = { x, weight, bias, scratch: shop.sums, ...(residual && { residual }) };
  return run(KERNEL_NAMES.linear, shop, inputs, { columns: n_out, activation: ACTIVATION_CODES[activation] });
}

/** Writes the rows' keys and values into the cache. qkv [n_rows, 3 * n_embd] */
export function storeKv(shop: Workshop, qkv: tf.Tensor2D, step: StepTensors, cache: KvCache): void {
  run(KERNEL_NAMES.storeKv, shop, { qkv, slots: step.slots, keys: cache.keys, values: cache.values }, {}).dispose();
}

/** softmax(scale · q·Kᵀ)·V of each row over its own sequence so far: [n_rows, 3 * n_embd] -> [n_rows, n_embd] */
export function attention(
  shop: Workshop,
  qkv: tf.Tensor2D,
  step: StepTensors,
  cache: KvCache,
  scale: number,
): tf.Tensor2D {
  const { tables, sequences, positions, meanLength } = step;
  const inputs = { qkv, keys: cache.keys, values: cache.values, tables, sequences, positions, scratch: shop.scores };
  return run(KERNEL_NAMES.attention, shop, inputs, { scale, meanLength });
}
