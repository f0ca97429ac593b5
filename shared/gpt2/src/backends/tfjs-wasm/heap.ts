/** Memory of our own in TensorFlow.js's heap: tensors that nobody fills, and views of their bytes. */
import * as tf from '@tensorflow/tfjs-core';
import { KERNEL_NAMES } from './register-kernels.ts';
import type { TfjsRuntime } from './tfjs-runtime.ts';

export interface Heap {
  /** Changes when the heap grows; what it showed stays valid. */
  readonly buffer: ArrayBufferLike;
  /** A tensor over at least `bytes` bytes, 16-byte aligned and not initialised: memory never touched takes no room. */
  allocate(bytes: number): tf.Tensor;
  address(tensor: tf.Tensor): number;
  bytes(tensor: tf.Tensor): Uint8Array;
  view(tensor: tf.Tensor): DataView;
}

export function heapOf({ memory, backend }: TfjsRuntime): Heap {
  const address = (tensor: tf.Tensor) => backend.getMemoryOffset(tensor.dataId);
  return {
    get buffer() {
      return memory.buffer;
    },
    allocate: (bytes) => tf.engine().runKernel(KERNEL_NAMES.allocate, {}, { words: Math.ceil(bytes / 4) }) as tf.Tensor,
    address,
    bytes: (tensor) => new Uint8Array(memory.buffer, address(tensor), tensor.size * 4),
    view: (tensor) => new DataView(memory.buffer, address(tensor), tensor.size * 4),
  };
}
