/**
 * Runs a quantised model: weights in one image, keys and values as integers of 8 or 4 bits, a whole step in one kernel. Everything lives
 * in tensors of TensorFlow.js's heap, so its accounting and dispose hold for it.
 */
import type { StepBatch } from '@inkwell/ports';
import * as tf from '@tensorflow/tfjs-core';
import { ModelError } from '../../../errors.ts';
import { LogitsRoom } from '../../logits-room.ts';
import { type Heap, heapOf } from '../heap.ts';
import type { ModelRunner, RunnerInput } from '../model-runner.ts';
import { copyRows } from '../model-runner.ts';
import { KERNEL_NAMES } from '../register-kernels.ts';
import { groupedDepth, imageLayout, type QuantizedKind } from './image.ts';
import { loadImage } from './load-image.ts';
import { type CacheAddresses, headStride, planWords, writePlan } from './plan.ts';
import { type KvBits, kvBytes, quantizationObstacle, quantizedBlockBytes } from './sizes.ts';
import { placeStep, type StepSizes } from './step-record.ts';

/** Places of the caches in one allocation. It is left as it is: memory nobody has written to costs nothing. */
function cacheAddresses({ config, blockSize, blockCount }: RunnerInput, bits: KvBits, start: number): CacheAddresses[] {
  const places = config.n_head * blockSize * blockCount;
  const bytes = kvBytes(config, bits);
  const integers = places * bytes.integers;
  const layer = 2 * integers + 2 * places * bytes.scale;
  return Array.from({ length: config.n_layer }, (_, index) => {
    const keys = start + index * layer;
    const values = keys + integers;
    const keyScales = values + integers;
    return { keys, values, keyScales, valueScales: keyScales + places * bytes.scale };
  });
}

class QuantizedRunner implements ModelRunner {
  readonly #heap: Heap;
  readonly #control: number;
  readonly #plan: tf.Tensor;
  readonly #owned: readonly tf.Tensor[];
  readonly #sizes: StepSizes;
  readonly #logits: LogitsRoom;

  constructor(heap: Heap, control: number, plan: tf.Tensor, owned: readonly tf.Tensor[], sizes: StepSizes) {
    this.#heap = heap;
    this.#control = control;
    this.#plan = plan;
    this.#owned = owned;
    this.#sizes = sizes;
    this.#logits = new LogitsRoom(sizes.config.vocab_size);
  }

  forward(batch: StepBatch): Float32Array[] {
    const places = placeStep(batch, this.#sizes);
    const step = this.#heap.allocate(places.bytes);
    try {
      const address = this.#heap.address(step);
      places.write(this.#heap.buffer, address);
      const done = tf
        .engine()
        .runKernel(KERNEL_NAMES.quantizedStep, { plan: this.#plan, step }, { control: this.#control });
      tf.dispose(done);
      return copyRows(this.#heap, address + places.logits, batch.logitsRows.length, this.#logits);
    } finally {
      step.dispose();
    }
  }

  dispose(): void {
    tf.dispose([...this.#owned]);
  }
}

/** @throws ModelError if the weights do not fit the configuration */
export async function createQuantizedRunner(
  input: RunnerInput,
  kind: QuantizedKind,
  kvBits: KvBits,
): Promise<ModelRunner> {
  const { runtime, pool, config, blockSize, blockCount } = input;
  const obstacle = quantizationObstacle(config, blockSize);
  if (obstacle !== undefined) throw new ModelError(`${kind}: ${obstacle}`);
  const heap = heapOf(runtime);
  const layout = imageLayout(config, kind);
  const owned: tf.Tensor[] = [];
  try {
    const image = heap.allocate(layout.bytes);
    owned.push(image);
    await loadImage(heap.bytes(image), layout, kind, input);
    const cache = heap.allocate(blockCount * quantizedBlockBytes(config, blockSize, kvBits));
    const plan = heap.allocate(planWords(config) * 4);
    owned.push(cache, plan);
    writePlan(heap.view(plan), heap.address(plan), {
      config,
      layout,
      image: heap.address(image),
      caches: cacheAddresses(input, kvBits, heap.address(cache)),
      blockSize,
      threads: pool.threads,
      kvBits,
    });
    const deepest = groupedDepth(layout);
    const scratchBytes = (tableWidth: number) =>
      runtime.kernels.quantizedScratchBytes(config.n_embd, headStride(config), tableWidth, blockSize, deepest);
    return new QuantizedRunner(heap, pool.control, plan, owned, {
      config,
      threads: pool.threads,
      blockSize,
      scratchBytes,
    });
  } catch (error) {
    tf.dispose(owned);
    throw error;
  }
}
