/**
 * The `ModelBackend` port in TensorFlow.js's own operations: the reference, slow and plain. It keeps the promise of batch invariance in this way: rows go
 * through together only in numbers that were found to change no bit (rows-together.ts), and each row attends alone, so that all shapes follow from its
 * own position.
 */
import type { ModelBackend, ModelBackendInfo, StepBatch } from '@inkwell/ports';
import * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from '../../config.ts';
import { ModelError } from '../../errors.ts';
import type { SafetensorsFile } from '../../safetensors/reader.ts';
import { checkStep } from '../check-step.ts';
import { CheckpointReader } from '../checkpoint-reader.ts';
import { refuseKvCache } from '../kv-cache-kind.ts';
import type { TfjsWasmOptions } from '../tfjs-wasm/backend.ts';
import { BlockCache } from './block-cache.ts';
import { hiddenStates, type Past, type PlainWeights } from './plain-model.ts';
import { type LoadedWeights, loadPlainWeights } from './plain-weights.ts';
import { on, type Platform, startAnyPlatform } from './platform.ts';
import { cut, trustedSizes } from './rows-together.ts';
import { startTfjsNode, startTfjsNodeGpu } from './tfjs-node.ts';

const DEFAULT_SEQUENCES = 16;

/** Rows [from, to) of a step. */
interface Piece {
  readonly batch: StepBatch;
  readonly from: number;
  readonly to: number;
}

/** Stores the piece's keys and values row by row, then gives each row its past. */
function remember(cache: BlockCache, blockSize: number, piece: Piece, layer: number, fresh: Past): Past[] {
  const { batch, from, to } = piece;
  const rows = Array.from({ length: to - from }, (_, i) => {
    const position = batch.positions[from + i]!;
    return { i, position, table: batch.blockTables[batch.sequences[from + i]!]! };
  });
  for (const { i, position, table } of rows) {
    const row = (matrix: tf.Tensor2D) => tf.slice(matrix, [i, 0], [1, -1]);
    const own = { keys: row(fresh.keys), values: row(fresh.values) };
    cache.write(layer, table[Math.floor(position / blockSize)]!, position % blockSize, own);
  }
  return rows.map(({ position, table }) => cache.read(layer, table, position + 1));
}

/** [n_rows of the piece, n_vocab], or undefined where no logits are wanted of it. */
function computePiece(
  weights: PlainWeights,
  cache: BlockCache,
  blockSize: number,
  piece: Piece,
): tf.Tensor2D | undefined {
  const { batch, from, to } = piece;
  const tokens = batch.tokens.subarray(from, to);
  const positions = batch.positions.subarray(from, to);
  const hidden = hiddenStates(weights, tokens, positions, (layer, fresh) =>
    remember(cache, blockSize, piece, layer, fresh),
  );
  const wanted = batch.logitsRows.some((row) => row >= from && row < to);
  const logits = wanted ? tf.matMul<tf.Tensor2D>(hidden, weights.lm_head) : undefined;
  hidden.dispose();
  return logits;
}

/** What a platform has loaded, and how it computes a step. */
class PlainRunner {
  readonly #loaded: LoadedWeights;
  readonly #cache: BlockCache;
  readonly #platform: Platform;
  readonly #blockSize: number;
  readonly #sizes: readonly number[];

  constructor(
    loaded: LoadedWeights,
    cache: BlockCache,
    platform: Platform,
    blockSize: number,
    sizes: readonly number[],
  ) {
    this.#loaded = loaded;
    this.#cache = cache;
    this.#platform = platform;
    this.#blockSize = blockSize;
    this.#sizes = sizes;
  }

  /** @param batch checked by checkStep */
  async forward(batch: StepBatch): Promise<Float32Array[]> {
    const rows = new Map<number, Float32Array>();
    let from = 0;
    for (const size of cut(batch.tokens.length, this.#sizes)) {
      const piece = { batch, from, to: from + size };
      const logits = on(this.#platform, () => computePiece(this.#loaded.weights, this.#cache, this.#blockSize, piece));
      if (logits !== undefined) {
        const values = await logits.data<'float32'>();
        const width = logits.shape[1];
        logits.dispose();
        for (let i = 0; i < size; i++) rows.set(from + i, values.subarray(i * width, (i + 1) * width));
      }
      from += size;
    }
    return Array.from(batch.logitsRows, (row) => rows.get(row)!);
  }

  dispose(): void {
    this.#loaded.dispose();
    this.#cache.dispose();
  }
}

/**
 * @param startPlatform what executes the operations
 * @throws ModelError if the weights do not fit the configuration, or quantised ones are asked for
 */
export async function createPlainBackend(
  startPlatform: () => Promise<Platform>,
  file: SafetensorsFile,
  config: Gpt2Config,
  options: TfjsWasmOptions,
): Promise<ModelBackend> {
  const { quantization = 'auto', onProgress = () => {}, blockSize = 16 } = options;
  const { blockCount = DEFAULT_SEQUENCES * Math.ceil(config.n_positions / blockSize) } = options;
  for (const [name, value] of Object.entries({ blockSize, blockCount })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new ModelError(`${name} must be a whole number from 1, got ${value}`);
  }
  if (quantization !== 'auto' && quantization !== 'none') {
    throw new ModelError(
      `quantization ${quantization}: TensorFlow.js's own operations compute with floats, use none or auto`,
    );
  }
  refuseKvCache(options.kvCache, "TensorFlow.js's own operations keep keys and values as floats");
  const platform = await startPlatform();
  const loaded = await loadPlainWeights(config, new CheckpointReader(file, config, onProgress), platform);
  const sizes = await trustedSizes(loaded.weights, platform);
  const cache = new BlockCache(config.n_layer, blockSize, blockCount);
  const runner = new PlainRunner(loaded, cache, platform, blockSize, sizes);
  const info: ModelBackendInfo = {
    name: platform.name,
    device: `${platform.device}, ${sizes[0]} rows together`,
    threads: platform.threads,
    quantization: 'none',
    kvCache: 'f32',
    blockSize,
    blockCount,
    vocabSize: config.vocab_size,
    contextLength: config.n_positions,
  };
  let disposed = false;
  return {
    info,
    async forward(batch) {
      if (disposed) throw new Error('the model backend was disposed');
      checkStep(batch, info);
      return runner.forward(batch);
    },
    async dispose() {
      if (!disposed) runner.dispose();
      disposed = true;
    },
  };
}

type CreateBackend = (file: SafetensorsFile, config: Gpt2Config, options?: TfjsWasmOptions) => Promise<ModelBackend>;

const createOn =
  (startPlatform: () => Promise<Platform>): CreateBackend =>
  (file, config, options = {}) =>
    createPlainBackend(startPlatform, file, config, options);

/** The plain operations on WebAssembly, or in JavaScript where that does not start. */
export const createTfjsBackend = createOn(startAnyPlatform);
/** The same in libtensorflow. */
export const createTfjsNodeBackend = createOn(startTfjsNode);
/** The same on an NVIDIA card, if one is found. */
export const createTfjsNodeGpuBackend = createOn(startTfjsNodeGpu);
