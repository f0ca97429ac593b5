/**
 * Registers our compute kernels with TensorFlow.js under the backend name 'webgpu'. A call records one dispatch into the backend's own compute pass, on the
 * buffers of the tensors it is given; it allocates nothing, since its output is among them, and submits nothing.
 */
import * as tf from '@tensorflow/tfjs-core';
import { attentionKernel } from './kernels/attention.wgsl.ts';
import { embedKernel } from './kernels/embed.wgsl.ts';
import { type ComputeKernel, moduleOf } from './kernels/kernel.ts';
import { layerNormKernel } from './kernels/layer-norm.wgsl.ts';
import { linearKernel } from './kernels/linear.wgsl.ts';
import { queryKeyValueKernel } from './kernels/query-key-value.wgsl.ts';
import type { TfjsWebgpuBackend } from './tfjs-webgpu.ts';

export const BACKEND_NAME = 'webgpu';

/** One shape of a kernel: its layout and, for each number of rows per workgroup, its pipeline. */
class Program<Shape extends object> {
  readonly #device: GPUDevice;
  readonly #kernel: ComputeKernel<Shape>;
  readonly #shape: Shape;
  readonly #layout: GPUBindGroupLayout;
  readonly #pipelines = new Map<number, GPUComputePipeline>();
  /** By the object that named the tensors. */
  readonly #bindGroups = new WeakMap<tf.NamedTensorInfoMap, GPUBindGroup>();

  constructor(device: GPUDevice, kernel: ComputeKernel<Shape>, shape: Shape) {
    this.#device = device;
    this.#kernel = kernel;
    this.#shape = shape;
    this.#layout = device.createBindGroupLayout({
      entries: kernel.bindings(shape).map(({ access }, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
      })),
    });
  }

  #pipeline(rowsPerGroup: number): GPUComputePipeline {
    const known = this.#pipelines.get(rowsPerGroup);
    if (known !== undefined) return known;
    const label = `${this.#kernel.name} ${JSON.stringify(this.#shape)}, ${rowsPerGroup} rows`;
    const module = this.#device.createShaderModule({ label, code: moduleOf(this.#kernel, this.#shape, rowsPerGroup) });
    const layout = this.#device.createPipelineLayout({ bindGroupLayouts: [this.#layout] });
    const pipeline = this.#device.createComputePipeline({ label, layout, compute: { module, entryPoint: 'main' } });
    this.#pipelines.set(rowsPerGroup, pipeline);
    return pipeline;
  }

  #bindGroup(backend: TfjsWebgpuBackend, inputs: tf.NamedTensorInfoMap): GPUBindGroup {
    const known = this.#bindGroups.get(inputs);
    if (known !== undefined) return known;
    const entries = this.#kernel.bindings(this.#shape).map(({ name }, binding) => {
      const { dataId } = inputs[name]!;
      backend.uploadToGPU(dataId);
      return { binding, resource: { buffer: backend.tensorMap.get(dataId)!.resource! } };
    });
    const bindGroup = this.#device.createBindGroup({ layout: this.#layout, entries });
    this.#bindGroups.set(inputs, bindGroup);
    return bindGroup;
  }

  record(backend: TfjsWebgpuBackend, inputs: tf.NamedTensorInfoMap, rows: number, rowsPerGroup: number): void {
    const bindGroup = this.#bindGroup(backend, inputs);
    backend.ensureCommandEncoderReady();
    backend.computePassEncoder ??= backend.commandEncoder!.beginComputePass();
    backend.computePassEncoder.setPipeline(this.#pipeline(rowsPerGroup));
    backend.computePassEncoder.setBindGroup(0, bindGroup);
    backend.computePassEncoder.dispatchWorkgroups(...this.#kernel.groups(this.#shape, rows, rowsPerGroup));
  }
}

/** What a call says besides its tensors. */
export interface CallAttributes<Shape extends object> {
  readonly shape: Shape;
  readonly rows: number;
  readonly rowsPerGroup: number;
}

/**
 * Records one dispatch. Inside `on(platform, …)` only.
 * @param inputs tensors by the names of the kernel's bindings; keep and pass the same object for the same tensors, its bind group is then made once
 */
export function record<Shape extends object>(
  kernel: ComputeKernel<Shape>,
  inputs: tf.NamedTensorMap,
  attributes: CallAttributes<Shape>,
): void {
  tf.engine().runKernel(kernel.name, inputs, attributes as unknown as tf.NamedAttrMap);
}

function register<Shape extends object>(device: GPUDevice, kernel: ComputeKernel<Shape>): void {
  const programs = new Map<string, Program<Shape>>();
  /** Shapes are written out only once. */
  const known = new WeakMap<Shape, Program<Shape>>();
  const programOf = (shape: Shape) => {
    const key = JSON.stringify(shape);
    const program = programs.get(key) ?? new Program(device, kernel, shape);
    programs.set(key, program);
    known.set(shape, program);
    return program;
  };
  tf.registerKernel({
    kernelName: kernel.name,
    backendName: BACKEND_NAME,
    kernelFunc({ inputs, attrs, backend }) {
      const { shape, rows, rowsPerGroup } = attrs as unknown as CallAttributes<Shape>;
      const program = known.get(shape) ?? programOf(shape);
      program.record(backend as TfjsWebgpuBackend, inputs, rows, rowsPerGroup);
      return [];
    },
  });
}

const KERNELS = [embedKernel, queryKeyValueKernel, attentionKernel, linearKernel, layerNormKernel] as const;

/** @param device the backend's own */
export function registerKernels(device: GPUDevice): void {
  for (const kernel of KERNELS) register(device, kernel as ComputeKernel<object>);
}

/** Before the device is given up. */
export function unregisterKernels(): void {
  for (const { name } of KERNELS) tf.unregisterKernel(name, BACKEND_NAME);
}
