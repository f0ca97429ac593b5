/**
 * GPT-2 (Radford et al. 2019) as a list of compute passes over tensors in graphics memory, named as the checkpoint names its weights: one for the embeddings, five for each
 * layer, two for the logits. Rows of any number of sequences go through together; the paged KV cache gives each row the past of its own sequence.
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from '../../config.ts';
import { attentionKernel } from './kernels/attention.wgsl.ts';
import { embedKernel } from './kernels/embed.wgsl.ts';
import type { ComputeKernel } from './kernels/kernel.ts';
import { layerNormKernel } from './kernels/layer-norm.wgsl.ts';
import { linearKernel } from './kernels/linear.wgsl.ts';
import { queryKeyValueKernel } from './kernels/query-key-value.wgsl.ts';
import type { WeightKind } from './kernels/weights.wgsl.ts';
import { paddedWidth } from './layout.ts';
import type { GpuBlock, GpuWeights } from './load-weights.ts';
import { record } from './register-kernels.ts';
import type { Workspace } from './workspace.ts';

/** Keys and values of one layer: [blockCount * blockSize, n_head, head width] each. */
export interface GpuCache {
  readonly keys: tf.Tensor;
  readonly values: tf.Tensor;
}

/** How many rows go through, of how many the logits are wanted, and how many share a read of the weights. */
interface PassCounts {
  readonly rows: number;
  readonly logits: number;
  readonly rowsPerGroup: number;
}

/** Records itself for so many rows. */
type Pass = (counts: PassCounts) => void;

export interface ModelPasses {
  /** Stores keys and values of all rows. */
  readonly layers: readonly Pass[];
  /** [n_rows, n_embd] -> [n_logits, n_vocab] */
  readonly logits: readonly Pass[];
}

function pass<Shape extends object>(
  kernel: ComputeKernel<Shape>,
  shape: Shape,
  inputs: Record<string, tf.Tensor>,
  counted: 'rows' | 'logits' = 'rows',
): Pass {
  return (counts) => record(kernel, inputs, { shape, rows: counts[counted], rowsPerGroup: counts.rowsPerGroup });
}

export interface ModelParts {
  readonly config: Gpt2Config;
  readonly kind: WeightKind;
  readonly blockSize: number;
  readonly weights: GpuWeights;
  /** One per layer. */
  readonly caches: readonly GpuCache[];
}

function attentionScale(config: Gpt2Config, layer: number): number {
  const { n_embd, n_head, scale_attn_weights, scale_attn_by_inverse_layer_idx } = config;
  const headScale = scale_attn_weights ? 1 / Math.sqrt(n_embd / n_head) : 1;
  return headScale / (scale_attn_by_inverse_layer_idx ? layer + 1 : 1);
}

/** x + attention(ln_1(x)): [n_rows, n_embd] -> [n_rows, n_embd], in place */
function selfAttention(
  { config, kind, blockSize, caches }: ModelParts,
  block: GpuBlock,
  layer: number,
  work: Workspace,
) {
  const { n_embd, n_head, layer_norm_epsilon: epsilon } = config;
  const { batch, tables, x, queries, attended } = work;
  const heads = { heads: n_head, headWidth: n_embd / n_head };
  const attends = { ...heads, blockSize, scale: attentionScale(config, layer), outStride: paddedWidth(n_embd) };
  const projects = { activation: 'none', accumulates: true, counts: 'rows' } as const;
  const cache = caches[layer]!;
  return [
    // [n_rows, n_embd] -> 3 × [n_rows, n_head, head width]
    pass(
      queryKeyValueKernel,
      { depth: n_embd, columns: 3 * n_embd, weights: kind, epsilon, ...heads },
      { batch, x, ...block.c_attn, queries, ...cache },
    ),
    // [n_rows, n_head, head width] -> [n_rows, n_embd]
    pass(attentionKernel, attends, { batch, tables, queries, ...cache, out: attended }),
    // [n_rows, n_embd] -> [n_rows, n_embd]
    pass(
      linearKernel,
      { depth: n_embd, columns: n_embd, weights: kind, ...projects },
      { batch, x: attended, ...block.attn_c_proj, out: x },
    ),
  ];
}

/** x + mlp(ln_2(x)): [n_rows, n_embd] -> [n_rows, n_embd], in place */
function feedForward({ config, kind }: ModelParts, block: GpuBlock, { batch, x, hidden }: Workspace) {
  const { n_embd, n_inner, activation, layer_norm_epsilon: epsilon } = config;
  const widens = { activation, accumulates: false, counts: 'rows' } as const;
  const projects = { activation: 'none', accumulates: true, counts: 'rows' } as const;
  return [
    // [n_rows, n_embd] -> [n_rows, n_inner]
    pass(
      linearKernel,
      { depth: n_embd, columns: n_inner, weights: kind, epsilon, ...widens },
      { batch, x, ...block.c_fc, out: hidden },
    ),
    // [n_rows, n_inner] -> [n_rows, n_embd]
    pass(
      linearKernel,
      { depth: n_inner, columns: n_embd, weights: kind, ...projects },
      { batch, x: hidden, ...block.mlp_c_proj, out: x },
    ),
  ];
}

export function modelPasses(parts: ModelParts, work: Workspace): ModelPasses {
  const { config, kind, weights } = parts;
  const { n_embd, vocab_size, layer_norm_epsilon: epsilon } = config;
  const { batch, selection, x, normal, logits } = work;
  const { wte, wpe, h, ln_f, lm_head } = weights;
  const { weight, ...scales } = wte;
  const outputs = { activation: 'none', accumulates: false, counts: 'logits' } as const;
  return {
    layers: [
      // [n_rows] -> [n_rows, n_embd]
      pass(embedKernel, { width: n_embd, weights: kind }, { batch, wte: weight, ...scales, wpe, out: x }),
      ...h.flatMap((block, layer) => [...selfAttention(parts, block, layer, work), ...feedForward(parts, block, work)]),
    ],
    logits: [
      // [n_rows, n_embd] -> [n_logits, n_embd]
      pass(layerNormKernel, { width: n_embd, epsilon }, { batch, selection, x, ...ln_f, out: normal }, 'logits'),
      // [n_logits, n_embd] -> [n_logits, n_vocab]
      pass(
        linearKernel,
        { depth: n_embd, columns: vocab_size, weights: kind, ...outputs },
        { batch, x: normal, ...lm_head, out: logits },
        'logits',
      ),
    ],
  };
}
