/**
 * GPT-2 (Radford et al. 2019) in TensorFlow.js's own operations, as plainly as they allow: what our kernels are compared with, and what runs where they
 * cannot. Weights are named and shaped as in the checkpoint.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from '../../config.ts';

export interface PlainNorm {
  readonly weight: tf.Tensor1D;
  readonly bias: tf.Tensor1D;
  readonly epsilon: number;
}

/** weight [n_in, n_out], bias [n_out] */
export interface PlainLinear {
  readonly weight: tf.Tensor2D;
  readonly bias: tf.Tensor1D;
}

export interface PlainBlock {
  readonly ln_1: PlainNorm;
  readonly attn: { readonly c_attn: PlainLinear; readonly c_proj: PlainLinear; readonly scale: number };
  readonly ln_2: PlainNorm;
  readonly mlp: { readonly c_fc: PlainLinear; readonly c_proj: PlainLinear };
}

export interface PlainWeights {
  /** [n_vocab, n_embd] */
  readonly wte: tf.Tensor2D;
  /** [n_positions, n_embd] */
  readonly wpe: tf.Tensor2D;
  readonly h: readonly PlainBlock[];
  readonly ln_f: PlainNorm;
  /** [n_embd, n_vocab]: wte transposed where the embeddings are tied. */
  readonly lm_head: tf.Tensor2D;
  readonly n_head: number;
  readonly activation: Activation;
}

/** Keys and values of a sequence in one layer so far: [n_past, n_embd] each. */
export interface Past {
  readonly keys: tf.Tensor2D;
  readonly values: tf.Tensor2D;
}

/** x·W + b: [n_rows, n_in] -> [n_rows, n_out] */
export function linear(x: tf.Tensor2D, { weight, bias }: PlainLinear): tf.Tensor2D {
  return tf.add(tf.matMul(x, weight), bias);
}

/** (x - mean) / √(variance + ε) · gain + bias of each row (Ba et al. 2016): [n_rows, n_embd] -> [n_rows, n_embd] */
export function layerNorm(x: tf.Tensor2D, { weight, bias, epsilon }: PlainNorm): tf.Tensor2D {
  const { mean, variance } = tf.moments(x, 1, true); // [n_rows, n_embd] -> [n_rows, 1]
  const normal = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, epsilon)));
  return tf.add(tf.mul(normal, weight), bias);
}

const ACTIVATIONS: Readonly<Record<Activation, (x: tf.Tensor2D) => tf.Tensor2D>> = {
  gelu_tanh: (x) => {
    const inner = tf.mul(Math.sqrt(2 / Math.PI), tf.add(x, tf.mul(0.044715, tf.mul(tf.square(x), x))));
    return tf.mul(tf.mul(0.5, x), tf.add(1, tf.tanh(inner)));
  },
  gelu_erf: (x) => tf.mul(tf.mul(0.5, x), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))),
  relu: (x) => tf.relu(x),
  silu: (x) => tf.mul(x, tf.sigmoid(x)),
  tanh: (x) => tf.tanh(x),
};

/** [n_rows, n_embd] -> [n_rows, n_embd] */
export function feedForward(x: tf.Tensor2D, { ln_2, mlp }: PlainBlock, activation: Activation): tf.Tensor2D {
  const hidden = ACTIVATIONS[activation](linear(layerNorm(x, ln_2), mlp.c_fc)); // [n_rows, n_embd] -> [n_rows, n_inner]
  return tf.add(x, linear(hidden, mlp.c_proj)); // [n_rows, n_inner] -> [n_rows, n_embd]
}

/** [n_past, n_embd] -> [n_head, n_past, n_embd / n_head] */
function heads(x: tf.Tensor2D, count: number): tf.Tensor3D {
  const [past, width] = x.shape;
  return tf.transpose(tf.reshape(x, [past, count, width / count]), [1, 0, 2]);
}

/** softmax(scale · q·Kᵀ)·V of one row over its own past, itself included: [1, n_embd] -> [1, n_embd] */
function attention(query: tf.Tensor2D, { keys, values }: Past, headCount: number, scale: number): tf.Tensor2D {
  const scores = tf.matMul(heads(query, headCount), heads(keys, headCount), false, true); // -> [n_head, 1, n_past]
  const weights = tf.softmax(tf.mul(scores, scale));
  const attended = tf.matMul(weights, heads(values, headCount)); // -> [n_head, 1, n_embd / n_head]
  return tf.reshape(attended, query.shape);
}

/**
 * Some rows through all layers.
 * @param tokens [n_rows]
 * @param positions [n_rows]
 * @param remember stores the rows' keys and values [n_rows, n_embd] of a layer, and answers the past of each row
 * @returns [n_rows, n_embd]
 */
export function hiddenStates(
  { wte, wpe, h, ln_f, n_head, activation }: PlainWeights,
  tokens: Int32Array,
  positions: Int32Array,
  remember: (layer: number, fresh: Past) => Past[],
): tf.Tensor2D {
  return tf.tidy(() => {
    let x: tf.Tensor2D = tf.add(
      tf.gather(wte, tf.tensor1d(tokens, 'int32')),
      tf.gather(wpe, tf.tensor1d(positions, 'int32')),
    );
    for (const [layer, block] of h.entries()) {
      const next = tf.tidy(() => {
        const qkv = linear(layerNorm(x, block.ln_1), block.attn.c_attn); // [n_rows, n_embd] -> [n_rows, 3*n_embd]
        const [queries, keys, values] = tf.split<tf.Tensor2D>(qkv, 3, 1);
        const pasts = remember(layer, { keys: keys!, values: values! });
        const attended = pasts.map((past, row) =>
          attention(tf.slice(queries!, [row, 0], [1, -1]), past, n_head, block.attn.scale),
        );
        const joined = attended.length === 1 ? attended[0]! : tf.concat(attended);
        return feedForward(tf.add(x, linear(joined, block.attn.c_proj)), block, activation);
      });
      x.dispose();
      x = next;
    }
    return layerNorm(x, ln_f);
  });
}
