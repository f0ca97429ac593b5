/**
 * Graphics memory of one model, as tensors. TensorFlow.js keeps freed buffers for the next tensor of the same size; what is ours is allocated once, known in bytes and
 * truly freed, so each tensor wraps a buffer of our own (zero-copy, tf.tensor of WebGPUData).
 */
import * as tf from '@tensorflow/tfjs-core';
import { on, type Platform } from '../tfjs/platform.ts';

interface Holding {
  readonly buffer: GPUBuffer;
  readonly tensor: tf.Tensor;
}

export class GpuMemory {
  readonly #device: GPUDevice;
  readonly #platform: Platform;
  #held: Holding[] = [];

  constructor(device: GPUDevice, platform: Platform) {
    this.#device = device;
    this.#platform = platform;
  }

  #create(shape: number[], dtype: 'float32' | 'int32', bytes?: Uint8Array): tf.Tensor {
    const size = 4 * shape.reduce((product, length) => product * length, 1);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = this.#device.createBuffer({ size, usage, mappedAtCreation: bytes !== undefined });
    if (bytes !== undefined) {
      new Uint8Array(buffer.getMappedRange()).set(bytes);
      buffer.unmap();
    }
    const tensor = on(this.#platform, () => tf.tensor({ buffer, zeroCopy: true }, shape, dtype));
    this.#held.push({ buffer, tensor });
    return tensor;
  }

  /** A tensor of zeros. */
  zeros(shape: number[], dtype: 'float32' | 'int32' = 'float32'): tf.Tensor {
    return this.#create(shape, dtype);
  }

  /** A tensor of these values, in words of 32 bits; 8-bit integers lie four to a word. */
  upload(shape: number[], values: Float32Array | Int32Array | Int8Array): tf.Tensor {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.#create(shape, values instanceof Float32Array ? 'float32' : 'int32', bytes);
  }

  /** The buffer of a tensor that was made here. */
  bufferOf(tensor: tf.Tensor): GPUBuffer {
    return this.#held.find((one) => one.tensor === tensor)!.buffer;
  }

  dispose(): void {
    for (const { buffer, tensor } of this.#held) {
      tensor.dispose();
      buffer.destroy();
    }
    this.#held = [];
  }
}
