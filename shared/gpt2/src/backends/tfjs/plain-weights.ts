/** Reads a checkpoint into tensors as it names and shapes them. On failure everything already loaded is freed and the error names the tensor. */
import * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from '../../config.ts';
import type { CheckpointReader } from '../checkpoint-reader.ts';
import type { PlainBlock, PlainLinear, PlainNorm, PlainWeights } from './plain-model.ts';
import { on, type Platform } from './platform.ts';

class PlainLoader {
  readonly #config: Gpt2Config;
  readonly #reader: CheckpointReader;
  readonly #platform: Platform;
  readonly #created: tf.Tensor[] = [];

  constructor(config: Gpt2Config, reader: CheckpointReader, platform: Platform) {
    this.#config = config;
    this.#reader = reader;
    this.#platform = platform;
  }

  async #vector(name: string): Promise<tf.Tensor1D> {
    const values = await this.#reader.read(name);
    return this.#create(() => tf.tensor1d(values));
  }

  async #matrix(name: string): Promise<tf.Tensor2D> {
    const values = await this.#reader.read(name);
    return this.#create(() => tf.tensor2d(values, this.#reader.shape(name) as [number, number]));
  }

  async #norm(name: string): Promise<PlainNorm> {
    const weight = await this.#vector(`${name}.weight`);
    return { weight, bias: await this.#vector(`${name}.bias`), epsilon: this.#config.layer_norm_epsilon };
  }

  async #linear(name: string): Promise<PlainLinear> {
    return { weight: await this.#matrix(`${name}.weight`), bias: await this.#vector(`${name}.bias`) };
  }

  async #block(layer: number): Promise<PlainBlock> {
    const { n_embd, n_head, scale_attn_weights, scale_attn_by_inverse_layer_idx } = this.#config;
    const headScale = scale_attn_weights ? 1 / Math.sqrt(n_embd / n_head) : 1;
    return {
      ln_1: await this.#norm(`h.${layer}.ln_1`),
      attn: {
        c_attn: await this.#linear(`h.${layer}.attn.c_attn`),
        c_proj: await this.#linear(`h.${layer}.attn.c_proj`),
        scale: headScale / (scale_attn_by_inverse_layer_idx ? layer + 1 : 1),
      },
      ln_2: await this.#norm(`h.${layer}.ln_2`),
      mlp: { c_fc: await this.#linear(`h.${layer}.mlp.c_fc`), c_proj: await this.#linear(`h.${layer}.mlp.c_proj`) },
    };
  }

  /** [n_vocab, n_embd] -> [n_embd, n_vocab] */
  #transposed(matrix: tf.Tensor2D): tf.Tensor2D {
    return this.#create(() => tf.transpose(matrix));
  }

  #create<T extends tf.Tensor>(make: () => T): T {
    const tensor = on(this.#platform, make);
    this.#created.push(tensor);
    return tensor;
  }

  dispose(): void {
    tf.dispose(this.#created);
  }

  async load(): Promise<PlainWeights> {
    const { n_layer, n_head, activation, tie_word_embeddings } = this.#config;
    const wte = await this.#matrix('wte.weight');
    const wpe = await this.#matrix('wpe.weight');
    const h: PlainBlock[] = [];
    for (let layer = 0; layer < n_layer; layer++) h.push(await this.#block(layer));
    const ln_f = await this.#norm('ln_f');
    const head = tie_word_embeddings ? wte : await this.#matrix('lm_head.weight');
    return { wte, wpe, h, ln_f, lm_head: this.#transposed(head), n_head, activation };
  }
}

/** The weights, and how to free them. */
export interface LoadedWeights {
  readonly weights: PlainWeights;
  dispose(): void;
}

/** @throws ModelError naming the tensor that is missing, misshapen, of another dtype or not finite */
export async function loadPlainWeights(
  config: Gpt2Config,
  reader: CheckpointReader,
  platform: Platform,
): Promise<LoadedWeights> {
  const loader = new PlainLoader(config, reader, platform);
  try {
    return { weights: await loader.load(), dispose: () => loader.dispose() };
  } catch (error) {
    loader.dispose();
    throw error;
  }
}
