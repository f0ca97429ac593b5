/**
 * The `ModelBackend` port on TensorFlow.js with the wasm backend. Keeps the port's promise of batch invariance because
 * every kernel computes each row alone, in one fixed order (see assembly/). `forward` runs to completion on the calling
 * thread: give the engine a process of its own.
 */
import type { ModelBackend, ModelBackendInfo, StepBatch } from '@inkwell/ports';
import * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from '../../config.ts';
import { ModelError } from '../../errors.ts';
import type { SafetensorsFile } from '../../safetensors/reader.ts';
import { checkStep } from '../check-step.ts';
import type { LoadProgress } from '../checkpoint-reader.ts';
import { kvCacheOf } from '../kv-cache-kind.ts';
import { defaultBlockCount, defaultThreads, refuseUnlessCount } from '../sizes.ts';
import { createFloatRunner, floatBlockBytes, floatWeightBytes } from './float-runner.ts';
import type { ModelRunner, RunnerInput } from './model-runner.ts';
import { createQuantizedRunner } from './quantized/runner.ts';
import { kvBitsOf, quantizationObstacle, quantizedBlockBytes, quantizedWeightBytes } from './quantized/sizes.ts';
import { tfjsRuntime } from './tfjs-runtime.ts';
import { createThreadPool, type ThreadPool } from './thread-pool.ts';

export interface TfjsWasmOptions {
  /**
   * Weights as 32-bit floats, or as integers of 8 bits or, in the layers, 4 (w4a8: for 8-bit activations, native only); `auto`, the default, is int8 where the
   * model allows it.
   */
  readonly quantization?: 'auto' | 'none' | 'int8' | 'int4' | 'w4a8';
  /** Keys and values as integers of 8 bits, which `auto`, the default, means, or of 4; weights kept as floats have floats, too, and take `auto` alone. */
  readonly kvCache?: 'auto' | 'int8' | 'int4';
  /** Threads including the main one; as many as there are cores, at most 4, by default. */
  readonly threads?: number;
  /** False keeps vectors at 128 bits where the engine could join them to 256 (see compile-kernels.ts). Per process. */
  readonly wideVectors?: boolean;
  /** Positions per KV block; 16 by default, a multiple of 8 for int8. */
  readonly blockSize?: number;
  /** KV blocks in all; by default enough for 16 sequences of full length, but no more than 512 MiB unless one needs it. */
  readonly blockCount?: number;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Where quantised weights are kept for the next load; left out, nowhere. */
  readonly cacheDirectory?: string;
  /** Told why quantised weights could not be kept; the model works all the same. */
  readonly onCacheFailure?: (error: Error) => void;
}

type Kind = 'none' | 'int8' | 'int4';

/** What a kind of weights and a cache cost, and who computes with them. */
function waysOf(kind: Kind, wish: TfjsWasmOptions['kvCache']) {
  if (kind === 'none')
    return {
      kvCache: kvCacheOf(wish, kind),
      weightBytes: floatWeightBytes,
      blockBytes: floatBlockBytes,
      createRunner: createFloatRunner,
    };
  const kvCache = kvCacheOf(wish, kind);
  const bits = kvBitsOf(kvCache);
  return {
    kvCache,
    weightBytes: (config: Gpt2Config) => quantizedWeightBytes(config, kind),
    blockBytes: (config: Gpt2Config, blockSize: number) => quantizedBlockBytes(config, blockSize, bits),
    createRunner: (input: RunnerInput) => createQuantizedRunner(input, kind, bits),
  };
}

const HEAP_BYTES = 2 ** 32;
/** For one step's tensors, and for gaps between allocations. */
const HEAP_RESERVE_BYTES = 2 ** 28;

/** The heap cannot say that it is full: an allocation that does not fit would overwrite what is there. */
function refuseIfTooLarge(weightBytes: number, cacheBytes: number, blockCount: number): void {
  const neededBytes = weightBytes + cacheBytes + HEAP_RESERVE_BYTES + tf.memory().numBytes;
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

function assemble(info: ModelBackendInfo, config: Gpt2Config, pool: ThreadPool, runner: ModelRunner): ModelBackend {
  let disposed = false;
  return {
    info,
    async forward(batch: StepBatch): Promise<Float32Array[]> {
      if (disposed) throw new Error('the model backend was disposed');
      checkStep(batch, info);
      refuseIfStepTooLarge(config, batch);
      return runner.forward(batch);
    },
    async dispose(): Promise<void> {
      if (disposed) return;
      disposed = true;
      await pool.dispose();
      runner.dispose();
    },
  };
}

function kindOf(quantization: TfjsWasmOptions['quantization'], config: Gpt2Config, blockSize: number): Kind {
  if (quantization === 'w4a8') throw new ModelError('quantization w4a8: only the native backend has it');
  if (quantization !== undefined && quantization !== 'auto') return quantization;
  return quantizationObstacle(config, blockSize) === undefined ? 'int8' : 'none';
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
  const { threads = defaultThreads(), blockSize = 16, onProgress = () => {}, onCacheFailure = () => {} } = options;
  const { cacheDirectory } = options;
  refuseUnlessCount({ threads, blockSize });
  const kind = kindOf(options.quantization, config, blockSize);
  const { kvCache, weightBytes, blockBytes, createRunner } = waysOf(kind, options.kvCache);
  const bytesPerBlock = blockBytes(config, blockSize);
  const blockCount = options.blockCount ?? defaultBlockCount(config, blockSize, bytesPerBlock);
  refuseUnlessCount({ blockCount });
  const runtime = await tfjsRuntime(options.wideVectors);
  refuseIfTooLarge(weightBytes(config), blockCount * bytesPerBlock, blockCount);
  const pool = await createThreadPool(runtime, threads);
  let runner: ModelRunner;
  try {
    const cache = { cacheDirectory, onCacheFailure };
    runner = await createRunner({ file, config, runtime, pool, blockSize, blockCount, onProgress, ...cache });
  } catch (error) {
    await pool.dispose();
    throw error;
  }
  const shortfall = pool.shortfall === undefined ? '' : `, fewer threads than asked for: ${pool.shortfall}`;
  const info: ModelBackendInfo = {
    name: 'tfjs-wasm',
    device: `cpu (WebAssembly SIMD, ${runtime.vectorBits} bits${shortfall})`,
    threads: pool.threads,
    quantization: kind,
    kvCache,
    blockSize,
    blockCount,
    vocabSize: config.vocab_size,
    contextLength: config.n_positions,
  };
  return assemble(info, config, pool, runner);
}
