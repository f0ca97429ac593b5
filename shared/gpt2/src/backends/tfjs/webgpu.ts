/**
 * TensorFlow.js's WebGPU backend on Dawn, which speaks to the graphics card through Vulkan, Metal or Direct3D 12; both installed by `npm run install:webgpu`. The backend was
 * written for browsers: it looks for WebGPU's names and for `navigator.gpu` among the globals, so they are put there, in a process that asked for it.
 */
import type { KernelBackend } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { ModelError } from '../../errors.ts';
import { requireOptional, WEBGPU } from './optional-packages.ts';
import type { Platform } from './platform.ts';

/** What of WebGPU is used here (W3C WebGPU, sections "GPU" and "GPUAdapter"). */
interface Adapter {
  readonly info: { readonly description: string; readonly vendor: string };
  readonly limits: Readonly<Record<string, number>>;
  requestDevice(descriptor: { requiredLimits: Record<string, number | undefined> }): Promise<object>;
}

interface Gpu {
  requestAdapter(options: { powerPreference: 'high-performance' }): Promise<Adapter | null>;
}

interface Dawn {
  create(options: string[]): Gpu;
  readonly globals: object;
}

/** A device has but small limits unless more are asked for. */
const RAISED_LIMITS = [
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
] as const;

const REGISTERED = 'webgpu';
let started: Promise<Platform> | undefined;

async function start(): Promise<Platform> {
  const require = requireOptional(WEBGPU);
  const { create, globals } = (await import(require.resolve('webgpu'))) as Dawn;
  const gpu = create([]);
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true });
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null)
    throw new ModelError('webgpu: no graphics card can be used; on Linux it needs a Vulkan driver and libvulkan');
  const requiredLimits = Object.fromEntries(RAISED_LIMITS.map((name) => [name, adapter.limits[name]]));
  const device = await adapter.requestDevice({ requiredLimits });
  const { WebGPUBackend } = require('@tensorflow/tfjs-backend-webgpu') as {
    WebGPUBackend: new (device: object, info: object) => KernelBackend;
  };
  const backend = new WebGPUBackend(device, adapter.info);
  tf.removeBackend(REGISTERED);
  tf.registerBackend(REGISTERED, () => backend);
  const { vendor, description } = adapter.info;
  const name = [vendor, description].filter((part) => part !== '').join(' ');
  return { backend: REGISTERED, name: 'webgpu', device: `gpu (${name === '' ? 'unnamed' : name})`, threads: 1 };
}

/** @throws ModelError where it is not installed, or there is no graphics card */
export function startWebgpu(): Promise<Platform> {
  started ??= start().catch((error: unknown) => {
    started = undefined;
    throw error;
  });
  return started;
}
