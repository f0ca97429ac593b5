/**
 * What we use of TensorFlow.js's WebGPU backend (4.22.0, installed apart by `npm run install:webgpu`). Its encoder and pass are what its own operations record
 * into; ours do so too, which keeps them in order and in one submission.
 */
import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';

export interface TfjsWebgpuBackend extends KernelBackend {
  readonly device: GPUDevice;
  readonly queue: GPUQueue;
  readonly tensorMap: { get(dataId: TensorInfo['dataId']): { readonly resource?: GPUBuffer } | undefined };
  readonly commandEncoder: GPUCommandEncoder | null;
  /** The open pass; set by whoever opens one, taken back by `endComputePassEncoder`. */
  computePassEncoder: GPUComputePassEncoder | null;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  /** Submits what was recorded since the last time; there must be something. */
  submitQueue(): void;
  /** Puts a tensor's values, if they are still in our memory, into a buffer. */
  uploadToGPU(dataId: TensorInfo['dataId']): void;
}
