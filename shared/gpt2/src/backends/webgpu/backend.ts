/**
 * The `ModelBackend` port on a graphics card: GPT-2 as fused compute kernels of TensorFlow.js's WebGPU backend. Weights, KV cache and activations stay in
 * graphics memory; a step is one submission, of which only the wanted logits come back. It keeps the promise of batch invariance because every kernel computes each row
 * alone, in an order that follows from the model's shape; where rows share a read of the weights, that the card's compiler kept to it is tried at load.
 */
import type { ModelBackend, ModelBackendInfo, StepBatch } from '@inkwell/ports';
import type { Gpt2Config } from '../../config.ts';
import { ModelError } from '../../errors.ts';
import type { SafetensorsFile } from '../../safetensors/reader.ts';
import { uniform } from '../../sampling/philox.ts';
import { checkStep } from '../check-step.ts';
import { CheckpointReader } from '../checkpoint-reader.ts';
import { refuseKvCache } from '../kv-cache-kind.ts';
import { defaultBlockCount, refuseUnlessCount } from '../sizes.ts';
import type { TfjsWasmOptions } from '../tfjs-wasm/backend.ts';
import { GpuMemory } from './gpu-memory.ts';
import type { WeightKind } from './kernels/weights.wgsl.ts';
import { QUAD, quadsOf } from './layout.ts';
import { gpuBlockBytes, refuseBeyondLimits } from './limits.ts';
import { loadGpuWeights } from './load-weights.ts';
import type { GpuCache, ModelParts } from './model.ts';
import { ROW_TILES, WebgpuRunner } from './runner.ts';
import { acquireWebgpu, type WebgpuRuntime } from './runtime.ts';
import { trustedTiles } from './trusted-tiles.ts';

export interface WebgpuOptions extends TfjsWasmOptions {
  /** Where WebGPU's packages are; left out, where `npm run install:webgpu` puts them. */
  readonly webgpuPath?: string;
}

function kindOf(quantization: TfjsWasmOptions['quantization'] = 'auto'): WeightKind {
  if (quantization === 'auto' || quantization === 'none') return 'f32';
  if (quantization === 'int8') return 'int8';
  throw new ModelError(`quantization ${quantization}: the webgpu backend has none and int8`);
}

function createCaches(memory: GpuMemory, config: Gpt2Config, slots: number): GpuCache[] {
  const { n_layer, n_head, n_embd } = config;
  const shape = [slots, n_head, quadsOf(n_embd / n_head) * QUAD];
  return Array.from({ length: n_layer }, () => ({ keys: memory.zeros(shape), values: memory.zeros(shape) }));
}

/** The beginning of a text, one row per position: whatever it leaves in the cache is written again before it is read. */
function probe({ config, blockSize, blockCount }: Input): StepBatch {
  const { n_positions, vocab_size } = config;
  const rows = Math.min(ROW_TILES[0], n_positions, blockSize * blockCount);
  const each = (value: (row: number) => number) => Int32Array.from({ length: rows }, (_, row) => value(row));
  return {
    tokens: each((row) => Math.floor(uniform(BigInt(29), 0, row) * vocab_size)),
    positions: each((row) => row),
    sequences: new Int32Array(rows),
    blockTables: [Int32Array.from({ length: Math.ceil(rows / blockSize) }, (_, block) => block)],
    logitsRows: each((row) => row),
  };
}

class WebgpuBackend implements ModelBackend {
  readonly info: ModelBackendInfo;
  readonly #runtime: WebgpuRuntime;
  readonly #runner: WebgpuRunner;
  readonly #memory: GpuMemory;
  /** Steps share a workspace, so they take turns. */
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  constructor(info: ModelBackendInfo, runtime: WebgpuRuntime, runner: WebgpuRunner, memory: GpuMemory) {
    this.info = info;
    this.#runtime = runtime;
    this.#runner = runner;
    this.#memory = memory;
  }

  async forward(batch: StepBatch): Promise<Float32Array[]> {
    if (this.#disposed) throw new Error('the model backend was disposed');
    checkStep(batch, this.info);
    const step = this.#last.then(() => this.#runner.run(batch));
    this.#last = step.catch(() => {});
    return step;
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#last;
    this.#runner.dispose();
    this.#memory.dispose();
    this.#runtime.release();
  }
}

interface Input {
  readonly file: SafetensorsFile;
  readonly config: Gpt2Config;
  readonly kind: WeightKind;
  readonly blockSize: number;
  readonly blockCount: number;
  readonly onProgress: NonNullable<TfjsWasmOptions['onProgress']>;
}

/** Everything that stays in graphics memory. */
async function allocate(input: Input, runtime: WebgpuRuntime, memory: GpuMemory): Promise<ModelParts> {
  const { file, config, kind, blockSize, blockCount, onProgress } = input;
  runtime.device.pushErrorScope('out-of-memory');
  const parts = loadGpuWeights(config, new CheckpointReader(file, config, onProgress), memory, kind).then(
    (weights) => ({ config, kind, blockSize, weights, caches: createCaches(memory, config, blockSize * blockCount) }),
  );
  await Promise.allSettled([parts]);
  const shortage = await runtime.device.popErrorScope();
  if (shortage !== null) {
    throw new ModelError(
      `webgpu: the graphics card has too little memory: use fewer KV blocks (now ${blockCount}), quantization int8 or a smaller model`,
    );
  }
  return parts;
}

async function load(input: Input, runtime: WebgpuRuntime, memory: GpuMemory): Promise<ModelBackend> {
  const { config, kind, blockSize, blockCount } = input;
  const runner = new WebgpuRunner(runtime, await allocate(input, runtime, memory));
  const [most] = await trustedTiles(runner, probe(input));
  const info: ModelBackendInfo = {
    name: 'webgpu',
    device: `${runtime.platform.device}, ${most} rows together`,
    threads: 1,
    quantization: kind === 'f32' ? 'none' : kind,
    kvCache: 'f32',
    blockSize,
    blockCount,
    vocabSize: config.vocab_size,
    contextLength: config.n_positions,
  };
  return new WebgpuBackend(info, runtime, runner, memory);
}

/**
 * @throws ModelError if the packages are not installed, there is no graphics card, the model or its cache is too large for it, or the weights do not fit the configuration
 */
export async function createWebgpuBackend(
  file: SafetensorsFile,
  config: Gpt2Config,
  options: WebgpuOptions = {},
): Promise<ModelBackend> {
  const { blockSize = 16, onProgress = () => {}, webgpuPath } = options;
  const kind = kindOf(options.quantization);
  refuseKvCache(options.kvCache, 'the webgpu backend keeps keys and values as floats');
  refuseUnlessCount({ blockSize });
  const blockCount = options.blockCount ?? defaultBlockCount(config, blockSize, gpuBlockBytes(config, blockSize));
  refuseUnlessCount({ blockCount });
  const runtime = await acquireWebgpu(webgpuPath);
  const memory = new GpuMemory(runtime.device, runtime.platform);
  try {
    refuseBeyondLimits(config, { weights: kind, blockSize, blockCount }, runtime.device.limits);
    return await load({ file, config, kind, blockSize, blockCount, onProgress }, runtime, memory);
  } catch (error) {
    memory.dispose();
    runtime.release();
    throw error;
  }
}
