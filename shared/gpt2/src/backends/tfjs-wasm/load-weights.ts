/**
 * Reads a checkpoint's tensors into TensorFlow.js tensors, packed for the f32 kernels. On failure everything already
 * loaded is freed and the error names the tensor.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from '../../config.ts';
import type { BlockWeights, Gpt2Weights } from '../../model.ts';
import type { SafetensorsFile } from '../../safetensors/reader.ts';
import { CheckpointReader, type LoadProgress } from '../checkpoint-reader.ts';
import type { LayerNormWeights, LinearWeights } from './ops.ts';
import { packColumns, packRows } from './pack.ts';

class WeightLoader {
  readonly #config: Gpt2Config;
  readonly #reader: CheckpointReader;
  readonly #created: tf.Tensor[] = [];

  constructor(file: SafetensorsFile, config: Gpt2Config, onProgress: (progress: LoadProgress) => void) {
    this.#config = config;
    this.#reader = new CheckpointReader(file, config, onProgress);
  }

  async #layerNorm(name: string): Promise<LayerNormWeights> {
    const weight = this.#keep(tf.tensor1d(await this.#reader.read(`${name}.weight`)));
    const bias = this.#keep(tf.tensor1d(await this.#reader.read(`${name}.bias`)));
    return { weight, bias, epsilon: this.#config.layer_norm_epsilon };
  }

  async #linear(name: string): Promise<LinearWeights> {
    const [nIn, nOut] = this.#reader.shape(`${name}.weight`) as [number, number];
    const panels = Math.ceil(nOut / 8);
    const packed = packColumns(await this.#reader.read(`${name}.weight`), nIn, nOut);
    const weight = this.#keep(tf.tensor3d(packed, [panels, nIn, 8]));
    const bias = new Float32Array(panels * 8);
    bias.set(await this.#reader.read(`${name}.bias`));
    return { weight, bias: this.#keep(tf.tensor1d(bias)), n_out: nOut };
  }

  async #embedding(name: string): Promise<tf.Tensor3D> {
    const [rows, width] = this.#reader.shape(name) as [number, number];
    const packed = packRows(await this.#reader.read(name), width, rows);
    return this.#keep(tf.tensor3d(packed, [Math.ceil(rows / 8), width, 8]));
  }

  async #block(layer: number): Promise<BlockWeights> {
    const { n_embd, n_head, scale_attn_weights, scale_attn_by_inverse_layer_idx, activation } = this.#config;
    const headScale = scale_attn_weights ? 1 / Math.sqrt(n_embd / n_head) : 1;
    return {
      ln_1: await this.#layerNorm(`h.${layer}.ln_1`),
      attn: {
        c_attn: await this.#linear(`h.${layer}.attn.c_attn`),
        c_proj: await this.#linear(`h.${layer}.attn.c_proj`),
        scale: headScale / (scale_attn_by_inverse_layer_idx ? layer + 1 : 1),
      },
      ln_2: await this.#layerNorm(`h.${layer}.ln_2`),
      mlp: {
        c_fc: await this.#linear(`h.${layer}.mlp.c_fc`),
        c_proj: await this.#linear(`h.${layer}.mlp.c_proj`),
        activation,
      },
    };
  }

  #keep<T extends tf.Tensor>(tensor: T): T {
    this.#created.push(tensor);
    return tensor;
  }

  /** Frees what was loaded so far. */
  dispose(): void {
    tf.dispose(this.#created);
  }

  async load(): Promise<Gpt2Weights> {
    const { n_layer, n_embd, n_positions, vocab_size, tie_word_embeddings } = this.#config;
    const wte = await this.#embedding('wte.weight');
    const wpe = this.#keep(tf.tensor2d(await this.#reader.read('wpe.weight'), [n_positions, n_embd]));
    const h: BlockWeights[] = [];
    for (let layer = 0; layer < n_layer; layer++) h.push(await this.#block(layer));
    const ln_f = await this.#layerNorm('ln_f');
    const weight = tie_word_embeddings ? wte : await this.#embedding('lm_head.weight');
    const bias = this.#keep(tf.zeros<tf.Rank.R1>([weight.shape[0] * 8]));
    const lm_head = { weight, bias, n_out: vocab_size };
    return { wte, wpe, h, ln_f, lm_head };
  }
}

/** @throws ModelError naming the tensor that is missing, misshapen, of another dtype or not finite */
export async function loadWeights(
  file: SafetensorsFile,
  config: Gpt2Config,
  onProgress: (progress: LoadProgress) => void,
): Promise<Gpt2Weights> {
  const loader = new WeightLoader(file, config, onProgress);
  try {
    return await loader.load();
  } catch (error) {
    loader.dispose();
    throw error;
  }
}
