/** Reads a checkpoint into graphics memory, in the order and form in which the kernels read it. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from '../../config.ts';
import type { CheckpointReader } from '../checkpoint-reader.ts';
import { conv1d, embedding, type MatrixSource, quantizeMatrix } from '../tfjs-wasm/quantized/quantize.ts';
import type { GpuMemory } from './gpu-memory.ts';
import type { WeightKind } from './kernels/weights.wgsl.ts';
import { PANEL, paddedWidth, panelsOf, QUAD, quadsOf } from './layout.ts';
import { foldNorm, packFloats } from './pack.ts';

/** A matrix without its bias, by the names of the kernels' bindings. `scales` [panels * 8] only of 8-bit integers. */
interface GpuMatrix {
  readonly weight: tf.Tensor;
  readonly scales?: tf.Tensor;
}

interface GpuLinear extends GpuMatrix {
  /** [panels * 8] */
  readonly bias: tf.Tensor;
}

export interface GpuBlock {
  /** With ln_1 folded in. */
  readonly c_attn: GpuLinear;
  readonly attn_c_proj: GpuLinear;
  /** With ln_2 folded in. */
  readonly c_fc: GpuLinear;
  readonly mlp_c_proj: GpuLinear;
}

export interface GpuWeights {
  readonly wte: GpuMatrix;
  /** [n_positions, n_embd / 4, 4] */
  readonly wpe: tf.Tensor;
  readonly h: readonly GpuBlock[];
  readonly ln_f: { readonly gain: tf.Tensor; readonly bias: tf.Tensor };
  /** Shares wte's tensors where the embeddings are tied. */
  readonly lm_head: GpuLinear;
}

class GpuLoader {
  readonly #config: Gpt2Config;
  readonly #reader: CheckpointReader;
  readonly #memory: GpuMemory;
  readonly #kind: WeightKind;

  constructor(config: Gpt2Config, reader: CheckpointReader, memory: GpuMemory, kind: WeightKind) {
    this.#config = config;
    this.#reader = reader;
    this.#memory = memory;
    this.#kind = kind;
  }

  #matrix(source: MatrixSource): GpuMatrix {
    const panels = panelsOf(source.columns);
    const quads = quadsOf(source.depth);
    if (this.#kind === 'f32') return { weight: this.#memory.upload([panels, quads, PANEL, QUAD], packFloats(source)) };
    const weight = new Int8Array(panels * quads * PANEL * QUAD);
    const scales = new Float32Array(panels * PANEL);
    quantizeMatrix(source, { weight, scales });
    return {
      weight: this.#memory.upload([panels, quads, PANEL], weight),
      scales: this.#memory.upload([panels * PANEL], scales),
    };
  }

  #vector(values: Float32Array): tf.Tensor {
    const width = paddedWidth(values.length);
    const padded = new Float32Array(width);
    padded.set(values);
    return this.#memory.upload([width], padded);
  }

  async #linear(name: string, norm?: string): Promise<GpuLinear> {
    const [depth, columns] = this.#reader.shape(`${name}.weight`) as [number, number];
    const gain = norm && (await this.#reader.read(`${norm}.weight`));
    const shift = norm && (await this.#reader.read(`${norm}.bias`));
    const weight = await this.#reader.read(`${name}.weight`);
    const bias = await this.#reader.read(`${name}.bias`);
    if (gain && shift) foldNorm(weight, bias, gain, shift);
    return { ...this.#matrix(conv1d(weight, depth, columns)), bias: this.#vector(bias) };
  }

  async #embedding(name: string): Promise<GpuMatrix> {
    const { n_embd, vocab_size } = this.#config;
    return this.#matrix(embedding(await this.#reader.read(name), n_embd, vocab_size));
  }

  async #positions(): Promise<tf.Tensor> {
    const { n_embd, n_positions } = this.#config;
    const width = quadsOf(n_embd) * QUAD;
    const values = await this.#reader.read('wpe.weight');
    const padded = new Float32Array(n_positions * width);
    for (let p = 0; p < n_positions; p++) padded.set(values.subarray(p * n_embd, (p + 1) * n_embd), p * width);
    return this.#memory.upload([n_positions, width / QUAD, QUAD], padded);
  }

  async #block(layer: number): Promise<GpuBlock> {
    const h = `h.${layer}`;
    return {
      c_attn: await this.#linear(`${h}.attn.c_attn`, `${h}.ln_1`),
      attn_c_proj: await this.#linear(`${h}.attn.c_proj`),
      c_fc: await this.#linear(`${h}.mlp.c_fc`, `${h}.ln_2`),
      mlp_c_proj: await this.#linear(`${h}.mlp.c_proj`),
    };
  }

  async load(): Promise<GpuWeights> {
    const { n_layer, vocab_size, tie_word_embeddings } = this.#config;
    const wte = await this.#embedding('wte.weight');
    const wpe = await this.#positions();
    const h: GpuBlock[] = [];
    for (let layer = 0; layer < n_layer; layer++) h.push(await this.#block(layer));
    const ln_f = {
      gain: this.#vector(await this.#reader.read('ln_f.weight')),
      bias: this.#vector(await this.#reader.read('ln_f.bias')),
    };
    const head = tie_word_embeddings ? wte : await this.#embedding('lm_head.weight');
    const lm_head = { ...head, bias: this.#memory.zeros([paddedWidth(vocab_size)]) };
    return { wte, wpe, h, ln_f, lm_head };
  }
}

/**
 * @param memory owns what was loaded, also if loading fails
 * @throws ModelError naming the tensor that is missing, misshapen, of another dtype or not finite
 */
export function loadGpuWeights(
  config: Gpt2Config,
  reader: CheckpointReader,
  memory: GpuMemory,
  kind: WeightKind,
): Promise<GpuWeights> {
  return new GpuLoader(config, reader, memory, kind).load();
}
