/**
 * GPT-2 (Radford et al. 2019) as plain functions over tensors, named as the checkpoint names its weights. Rows of any
 * number of sequences go through together; the paged KV cache gives each row the past of its own sequence.
 * Policy (what to batch, which blocks, how to sample) is left to the engine.
 */
import * as tf from '@tensorflow/tfjs-core';
import {
  attention,
  embed,
  type KvCache,
  type LayerNormWeights,
  type LinearWeights,
  layerNorm,
  linear,
  type StepTensors,
  storeKv,
  type Workshop,
} from './backends/tfjs-wasm/ops.ts';
import type { Activation } from './config.ts';

export interface BlockWeights {
  readonly ln_1: LayerNormWeights;
  readonly attn: { readonly c_attn: LinearWeights; readonly c_proj: LinearWeights; readonly scale: number };
  readonly ln_2: LayerNormWeights;
  readonly mlp: { readonly c_fc: LinearWeights; readonly c_proj: LinearWeights; readonly activation: Activation };
}

export interface Gpt2Weights {
  /** [ceil(n_vocab / 8), n_embd, 8], packed like a linear layer's weight. */
  readonly wte: tf.Tensor3D;
  /** [n_positions, n_embd] */
  readonly wpe: tf.Tensor2D;
  readonly h: readonly BlockWeights[];
  readonly ln_f: LayerNormWeights;
  /** Shares wte's tensor when the embeddings are tied. */
  readonly lm_head: LinearWeights;
}

/** [n_rows, n_embd] -> [n_rows, n_embd] */
function selfAttention(
  shop: Workshop,
  x: tf.Tensor2D,
  block: BlockWeights,
  step: StepTensors,
  cache: KvCache,
): tf.Tensor2D {
  const { c_attn, c_proj, scale } = block.attn;
  const qkv = linear(shop, layerNorm(shop, x, block.ln_1), c_attn); // [n_rows, n_embd] -> [n_rows, 3*n_embd]
  storeKv(shop, qkv, step, cache);
  const attended = attention(shop, qkv, step, cache, scale); // [n_rows, 3*n_embd] -> [n_rows, n_embd]
  return linear(shop, attended, c_proj, { residual: x }); // [n_rows, n_embd] -> [n_rows, n_embd]
}

/** [n_rows, n_embd] -> [n_rows, n_embd] */
function feedForward(shop: Workshop, x: tf.Tensor2D, block: BlockWeights): tf.Tensor2D {
  const { c_fc, c_proj, activation } = block.mlp;
  const hidden = linear(shop, layerNorm(shop, x, block.ln_2), c_fc, { activation }); // [n_rows, n_embd] -> [n_rows, n_inner]
  return linear(shop, hidden, c_proj, { residual: x }); // [n_rows, n_inner] -> [n_rows, n_embd]
}

/**
 * One step: stores the keys and values of all rows, returns the logits of some.
 * @param caches one per layer
 * @param logitsRows [n_logits] indices of the rows whose logits are wanted
 * @returns [n_logits, n_vocab]
 */
export function gpt2(
  shop: Workshop,
  { wte, wpe, h, ln_f, lm_head }: Gpt2Weights,
  caches: readonly KvCache[],
  step: StepTensors,
  logitsRows: tf.Tensor1D,
): tf.Tensor2D {
  return tf.tidy(() => {
    let x = embed(shop, step, wte, wpe); // [n_rows] -> [n_rows, n_embd]
    for (const [layer, block] of h.entries()) {
      const next = tf.tidy(() => feedForward(shop, selfAttention(shop, x, block, step, caches[layer]!), block));
      x.dispose();
      x = next;
    }
    const last = layerNorm(shop, x, ln_f, logitsRows); // [n_rows, n_embd] -> [n_logits, n_embd]
    return linear(shop, last, lm_head); // [n_logits, n_embd] -> [n_logits, n_vocab]
  });
}
