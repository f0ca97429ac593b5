/** Runs a model in f32: the kernels of model.ts on tensors. */
import type { StepBatch } from '@inkwell/ports';
import * as tf from '@tensorflow/tfjs-core';
import type { Gpt2Config } from '../../config.ts';
import { type Gpt2Weights, gpt2 } from '../../model.ts';
import { checkpointBytes } from '../checkpoint-reader.ts';
import { LogitsRoom } from '../logits-room.ts';
import { loadWeights } from './load-weights.ts';
import { copyRows, type ModelRunner, type RunnerInput } from './model-runner.ts';
import type { KvCache, Workshop } from './ops.ts';
import { stepTensors } from './step-tensors.ts';

/** Bytes of one KV block over all layers. */
export function floatBlockBytes(config: Gpt2Config, blockSize: number): number {
  return 2 * config.n_layer * blockSize * config.n_embd * 4;
}

/** Bytes the packed weights will take in the heap, to within the padding of a panel. */
export const floatWeightBytes = checkpointBytes;

function createCaches(config: Gpt2Config, blockSize: number, blockCount: number): KvCache[] {
  const shape: [number, number, number, number] = [blockCount, config.n_head, blockSize, config.n_embd / config.n_head];
  return Array.from({ length: config.n_layer }, () => ({ keys: tf.zeros(shape), values: tf.zeros(shape) }));
}

function createWorkshop({ config, pool, runtime }: RunnerInput): Workshop {
  return {
    control: pool.control,
    threads: pool.threads,
    sums: tf.zeros([pool.threads, runtime.kernels.linearScratchBytes() / 4]),
    scores: tf.zeros([pool.threads, Math.ceil(config.n_positions / 4) * 4]),
  };
}

/** @throws ModelError if the weights do not fit the configuration */
export async function createFloatRunner(input: RunnerInput): Promise<ModelRunner> {
  const { file, config, runtime, blockSize, blockCount, onProgress } = input;
  const weights: Gpt2Weights = await loadWeights(file, config, onProgress);
  const caches = createCaches(config, blockSize, blockCount);
  const workshop = createWorkshop(input);
  const room = new LogitsRoom(config.vocab_size);
  return {
    forward(batch: StepBatch): Float32Array[] {
      // Only the tensor leaves the tidy: it would search returned arrays for tensors, element by element.
      const logits = tf.tidy(() => {
        const step = stepTensors(batch, blockSize);
        return gpt2(workshop, weights, caches, step, tf.tensor1d(batch.logitsRows, 'int32'));
      });
      const address = runtime.backend.getMemoryOffset(logits.dataId);
      const copies = copyRows(runtime.memory, address, logits.shape[0], room);
      logits.dispose();
      return copies;
    },
    dispose() {
      tf.dispose([weights, caches, workshop] as unknown as tf.TensorContainer);
    },
  };
}
