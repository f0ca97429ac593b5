/**
 * The `ModelBackend` port on TensorFlow.js with the wasm backend. Keeps the port's promise of batch invariance because
 * every kernel computes each row alone, in one fixed order (see assembly/). `forward` runs to completion on the calling
 * thread: give the engine a process of its own.
 */
import type { ModelBackend, ModelBackendInfo, StepBatch } from '@inkwell/ports';
import * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from '../../config.ts';
import { ModelError } from '../../errors.ts';
import { type Gpt2Weights, gpt2 } from '../../model.ts';
import type { SafetensorsFile } from '../../safetensors/reader.ts';
import { type LoadProgress, loadWeights, weightBytes } from './load-weights.ts';
import type { KvCache, Workshop } from './ops.ts';
import { stepTensors } from './step-tensors.ts';
import { type TfjsRuntime, tfjsRuntime } from './tfjs-runtime.ts';
import { createThreadPool, defaultThreads, type ThreadPool } from './thread-pool.ts';

export interface TfjsWasmOptions {
  /** Threads including the main one; as many as there are cores, at most 4, by default. */
  readonly threads?: number;
  /** Positions per KV block; 16 by default. */
  readonly blockSize?: number;
  /** KV blocks in all; by default enough for 16 sequences of full length, but no more than 512 MiB unless one needs it. */
  readonly blockCount?: number;
  readonly onProgress?: (progress: LoadProgress) => void;
}

const DEFAULT_SEQUENCES = 16;
const DEFAULT_CACHE_BYTES = 2 ** 29;
const HEAP_BYTES = 2 ** 32;
/** For one step's tensors, and for gaps between allocations. */
const HEAP_RESERVE_BYTES = 2 ** 28;

function refuseUnlessCount(options: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new ModelError(`${name} must be a whole number from 1, got ${value}`);
  }
}

/** Bytes of one KV block over all layers. */
function blockBytes(config: Gpt2Config, blockSize: number): number {
  return 2 * config.n_layer * blockSize * config.n_embd * 4;
}

function defaultBlockCount(config: Gpt2Config, blockSize: number): number {
  const perSequence = Math.ceil(config.n_positions / blockSize);
  const affordable = Math.floor(DEFAULT_CACHE_BYTES / blockBytes(config, blockSize));
  return Math.max(perSequence, Math.min(DEFAULT_SEQUENCES * perSequence, affordable));
}

/** The heap cannot say that it is full: an allocation that does not fit would overwrite what is there. */
function refuseIfTooLarge(config: Gpt2Config, blockSize: number, blockCount: number): void {
  const cacheBytes = blockCount * blockBytes(config, blockSize);
  const neededBytes = weightBytes(config) + cacheBytes + HEAP_RESERVE_BYTES + tf.memory().numBytes;
  if (neededBytes <= HEAP_BYTES) return;
  const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1);
  throw new ModelError(
    `the model needs ${gib(neededBytes)} GiB, WebAssembly has ${gib(HEAP_BYTES)}: use fewer KV blocks (now ${blockCount}, ${gib(cacheBytes)} GiB) or a smaller model`,
  );
}

/** A step's largest moment: one layer's tensors, then the logits. */
function refuseIfStepTooLarge(config: Gpt2Config, batch: StepBatch): void {
  const rowBytes = 4 * (8 * config.n_embd + config.n_inner);
  const stepBytes = batch.tokens.length * rowBytes + batch.logitsRows.length * config.vocab_size * 4;
  if (tf.memory().numBytes + stepBytes > HEAP_BYTES - HEAP_RESERVE_BYTES / 4) {
    throw new RangeError(
      `step batch: ${batch.tokens.length} rows and ${batch.logitsRows.length} logits do not fit the heap`,
    );
  }
}

function createCaches(config: Gpt2Config, blockSize: number, blockCount: number): KvCache[] {
  const shape: [number, number, number, number] = [blockCount, config.n_head, blockSize, config.n_embd / config.n_head];
  return Array.from({ length: config.n_layer }, () => ({ keys: tf.zeros(shape), values: tf.zeros(shape) }));
}

function createWorkshop(config: Gpt2Config, pool: ThreadPool, runtime: TfjsRuntime): Workshop {
  return {
    control: pool.control,
    threads: pool.threads,
    sums: tf.zeros([pool.threads, runtime.kernels.linearScratchBytes() / 4]),
    scores: tf.zeros([pool.threads, Math.ceil(config.n_positions / 4) * 4]),
  };
}

/** The rows of a tensor [n, width], copied out of the heap. */
function copyRows(runtime: TfjsRuntime, matrix: tf.Tensor2D): Float32Array[] {
  const [rows, width] = matrix.shape;
  const start = runtime.backend.getMemoryOffset(matrix.dataId);
  return Array.from({ length: rows }, (_, row) =>
    new Float32Array(runtime.memory.buffer, start + row * width * 4, width).slice(),
  );
}

interface Parts {
  readonly config: Gpt2Config;
  readonly runtime: TfjsRuntime;
  readonly pool: ThreadPool;
  readonly weights: Gpt2Weights;
  readonly caches: readonly KvCache[];
  readonly workshop: Workshop;
}

function assemble(info: ModelBackendInfo, parts: Parts): ModelBackend {
  const { config, runtime, pool, weights, caches, workshop } = parts;
  let disposed = false;
  return {
    info,
    async forward(batch: StepBatch): Promise<Float32Array[]> {
      if (disposed) throw new Error('the model backend was disposed');
      refuseIfStepTooLarge(config, batch);
      // Only the tensor leaves the tidy: it would search returned arrays for tensors, element by element.
      const logits = tf.tidy(() => {
        const step = stepTensors(batch, info);
        return gpt2(workshop, weights, caches, step, tf.tensor1d(batch.logitsRows, 'int32'));
      });
      const rows = copyRows(runtime, logits);
      logits.dispose();
      return rows;
    },
    async dispose(): Promise<void> {
      if (disposed) return;
      disposed = true;
      await pool.dispose();
      tf.dispose([weights, caches, workshop] as unknown as tf.TensorContainer);
    },
  };
}

/**
 * @throws ModelError if the weights do not fit the configuration, model and KV cache do not fit the 4 GiB heap, or an
 *   option is no count
 */
export async function createTfjsWasmBackend(
  file: SafetensorsFile,
  config: Gpt2Config,
  options: TfjsWasmOptions = {},
): Promise<ModelBackend> {
  const { threads = defaultThreads(), blockSize = 16, onProgress = () => {} } = options;
  const blockCount = options.blockCount ?? defaultBlockCount(config, blockSize);
  refuseUnlessCount({ threads, blockSize, blockCount });
  const runtime = await tfjsRuntime();
  refuseIfTooLarge(config, blockSize, blockCount);
  const weights = await loadWeights(file, config, onProgress);
  const caches = createCaches(config, blockSize, blockCount);
  const pool = await createThreadPool(runtime, threads);
  const workshop = createWorkshop(config, pool, runtime);
  const shortfall = pool.shortfall === undefined ? '' : `, fewer threads than asked for: ${pool.shortfall}`;
  const info: ModelBackendInfo = {
    name: 'tfjs-wasm',
    device: `cpu (WebAssembly SIMD${shortfall})`,
    threads: pool.threads,
    quantization: 'none',
    blockSize,
    blockCount,
    vocabSize: config.vocab_size,
    contextLength: config.n_positions,
  };
  return assemble(info, { config, runtime, pool, weights, caches, workshop });
}
