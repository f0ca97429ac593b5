/**
 * Brings up TensorFlow.js's WebGPU backend on Dawn, which speaks to the graphics card through Vulkan, Metal or Direct3D 12; both installed by `npm run
 * install:webgpu`. The backend was written for browsers: it looks for WebGPU's names and for `navigator.gpu` among the globals, so they are put there, in a
 * process that asked for it. All models of a process share one device; when the last is disposed of, the device is given back.
 */
import * as tf from '@tensorflow/tfjs-core';
import { ModelError } from '../../errors.ts';
import { requireOptional, WEBGPU } from '../tfjs/optional-packages.ts';
import type { Platform } from '../tfjs/platform.ts';
import { BACKEND_NAME, registerKernels, unregisterKernels } from './register-kernels.ts';
import type { TfjsWebgpuBackend } from './tfjs-webgpu.ts';

interface Dawn {
  create(options: string[]): GPU;
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

/**
 * Workgroup memory is zeroed by code instead of by an extension of Vulkan, which SwiftShader compiles element by element: kernels took up to twenty times as long to
 * compile.
 */
const DAWN_OPTIONS = ['disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension'];

export interface WebgpuRuntime {
  readonly platform: Platform;
  readonly backend: TfjsWebgpuBackend;
  readonly device: GPUDevice;
  /**
   * Does work on the device.
   * @throws Error if the device was lost or failed, before or meanwhile: what happened and what to do
   */
  guard<T>(work: () => Promise<T>): Promise<T>;
  /** Once for each time it was acquired. */
  release(): void;
}

function describe(adapter: GPUAdapter & { readonly info: { readonly vendor: string; readonly description: string } }) {
  const name = [adapter.info.vendor, adapter.info.description].filter((part) => part !== '').join(' ');
  return `gpu (${name === '' ? 'unnamed' : name})`;
}

const ADVICE = 'the engine starts anew; if it happens again use fewer KV blocks, or another backend';

class Runtime implements WebgpuRuntime {
  readonly platform: Platform;
  readonly backend: TfjsWebgpuBackend;
  readonly device: GPUDevice;
  #failure: string | undefined;
  #users = 0;

  constructor(backend: TfjsWebgpuBackend, platform: Platform) {
    this.backend = backend;
    this.platform = platform;
    this.device = backend.device;
    this.device.onuncapturederror = ({ error }) => this.#fail(`failed (${error.message})`);
    void this.device.lost.then(({ reason, message }) => this.#fail(`was lost (${[reason, message].join(' ').trim()})`));
  }

  #fail(what: string): void {
    this.#failure ??= `webgpu: the graphics device ${what}: ${ADVICE}`;
    // Whoever loads a model from now on gets a new device.
    if (current === this) forget();
  }

  #refuseIfFailed(): void {
    if (this.#failure !== undefined) throw new Error(this.#failure);
  }

  async guard<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseIfFailed();
    try {
      return await work();
    } finally {
      // What the work threw, if anything, is but a consequence.
      this.#refuseIfFailed();
    }
  }

  acquire(): this {
    this.#users++;
    return this;
  }

  release(): void {
    this.#users--;
    if (this.#users > 0) return;
    if (current === this) forget();
    this.backend.dispose();
    this.device.destroy();
  }
}

let starting: Promise<Runtime> | undefined;
let current: Runtime | undefined;

/** Unregisters what runs on the current device; its tensors can still be disposed of. */
function forget(): void {
  starting = undefined;
  current = undefined;
  unregisterKernels();
  tf.removeBackend(BACKEND_NAME);
}

async function start(packagesPath: string | undefined): Promise<Runtime> {
  const require = requireOptional(WEBGPU, packagesPath);
  const { create, globals } = (await import(require.resolve('webgpu'))) as Dawn;
  const gpu = create(DAWN_OPTIONS);
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis.navigator, 'gpu', { value: gpu, configurable: true });
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null)
    throw new ModelError('webgpu: no graphics card can be used; on Linux it needs a Vulkan driver and libvulkan');
  const requiredLimits = Object.fromEntries(RAISED_LIMITS.map((name) => [name, adapter.limits[name]]));
  const device = await adapter.requestDevice({ requiredLimits });
  const { WebGPUBackend } = require('@tensorflow/tfjs-backend-webgpu') as {
    WebGPUBackend: new (device: GPUDevice, info: object) => TfjsWebgpuBackend;
  };
  const information = (adapter as unknown as Parameters<typeof describe>[0]).info;
  const backend = new WebGPUBackend(device, information);
  // When it is first required, the package registers a backend of its own, on a device of its own.
  if (tf.findBackendFactory(BACKEND_NAME) !== null) tf.removeBackend(BACKEND_NAME);
  tf.registerBackend(BACKEND_NAME, () => backend);
  registerKernels(device);
  const platform = { backend: BACKEND_NAME, name: 'webgpu', device: describe(adapter as never), threads: 1 };
  current = new Runtime(backend, platform);
  return current;
}

/**
 * @param packagesPath where the packages are; left out, where `npm run install:webgpu` puts them
 * @throws ModelError where they are not installed, or there is no graphics card
 */
export async function acquireWebgpu(packagesPath?: string): Promise<WebgpuRuntime> {
  starting ??= start(packagesPath).catch((error: unknown) => {
    starting = undefined;
    throw error;
  });
  return (await starting).acquire();
}
