/** Runs one of our compute kernels on tensors made for it, and reads back what it wrote. */
import type * as tf from '@tensorflow/tfjs-core';
import { on } from '../backends/tfjs/platform.ts';
import { GpuMemory } from '../backends/webgpu/gpu-memory.ts';
import type { ComputeKernel } from '../backends/webgpu/kernels/kernel.ts';
import { record } from '../backends/webgpu/register-kernels.ts';
import type { WebgpuRuntime } from '../backends/webgpu/runtime.ts';

export type KernelValues = Float32Array | Int32Array | Int8Array;

export interface KernelRun<Shape extends object> {
  readonly kernel: ComputeKernel<Shape>;
  readonly shape: Shape;
  readonly rows: number;
  readonly rowsPerGroup: number;
  /** Every tensor the kernel binds, as it is before. */
  readonly tensors: Readonly<Record<string, KernelValues>>;
}

async function read(tensor: tf.Tensor): Promise<Float32Array> {
  return new Float32Array(await tensor.data<'float32'>());
}

/** @returns the tensors the kernel writes, as they are afterwards */
export async function runKernel<Shape extends object>(
  runtime: WebgpuRuntime,
  { kernel, shape, rows, rowsPerGroup, tensors }: KernelRun<Shape>,
): Promise<Record<string, Float32Array>> {
  const memory = new GpuMemory(runtime.device, runtime.platform);
  const inputs = Object.fromEntries(
    Object.entries(tensors).map(([name, values]) => [name, memory.upload([values.byteLength / 4], values)]),
  );
  return runtime.guard(async () => {
    on(runtime.platform, () => record(kernel, inputs, { shape, rows, rowsPerGroup }));
    const written = kernel.bindings(shape).filter(({ access }) => access === 'read_write');
    const outputs: Record<string, Float32Array> = {};
    for (const { name } of written) outputs[name] = await read(inputs[name]!);
    memory.dispose();
    return outputs;
  });
}
