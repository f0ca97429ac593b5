/** Which backend computes a model: the one that was asked for, or with `auto` the best that initialises on this machine. */
import type { ModelBackend } from '@inkwell/ports';
import type { Gpt2Config } from '../config.ts';
import { ModelError } from '../errors.ts';
import type { SafetensorsFile } from '../safetensors/reader.ts';
import { isAddonBuilt } from './native/addon.ts';
import type { NativeOptions } from './native/backend.ts';
import type { TfjsWasmOptions } from './tfjs-wasm/backend.ts';
import type { WebgpuOptions } from './webgpu/backend.ts';

type Options = NativeOptions & WebgpuOptions;
type CreateBackend = (file: SafetensorsFile, config: Gpt2Config, options: Options) => Promise<ModelBackend>;

/** A backend's runtime is loaded when it is tried: who computes natively holds no TensorFlow.js. */
const CREATORS = {
  native: async (...input) => (await import('./native/backend.ts')).createNativeBackend(...input),
  wasm: async (...input) => (await import('./tfjs-wasm/backend.ts')).createTfjsWasmBackend(...input),
  tfjs: async (...input) => (await import('./tfjs/backend.ts')).createTfjsBackend(...input),
  'tfjs-node': async (...input) => (await import('./tfjs/backend.ts')).createTfjsNodeBackend(...input),
  'tfjs-node-gpu': async (...input) => (await import('./tfjs/backend.ts')).createTfjsNodeGpuBackend(...input),
  webgpu: async (...input) => (await import('./webgpu/backend.ts')).createWebgpuBackend(...input),
} as const satisfies Record<string, CreateBackend>;

export type BackendName = keyof typeof CREATORS;

export interface BackendOptions extends Options {
  /**
   * `auto`, the default, takes the first of native (where it was built, unless floats or int4 are asked for), wasm and tfjs that initialises; `info.device` then
   * says why another did not.
   */
  readonly backend?: 'auto' | BackendName;
}

/** What `auto` tries, best first. */
function candidates({ quantization, kvCache = 'auto' }: TfjsWasmOptions): readonly BackendName[] {
  if (quantization === 'w4a8') return ['native'];
  return [
    ...(isAddonBuilt() && quantization !== 'none' && quantization !== 'int4' ? ['native' as const] : []),
    'wasm',
    ...(kvCache === 'auto' ? ['tfjs' as const] : []),
  ];
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function createBest(file: SafetensorsFile, config: Gpt2Config, options: Options): Promise<ModelBackend> {
  const failures: string[] = [];
  for (const name of candidates(options)) {
    try {
      const backend = await CREATORS[name](file, config, options);
      if (failures.length > 0) Object.assign(backend.info, { device: [backend.info.device, ...failures].join('; ') });
      return backend;
    } catch (error) {
      // What is wrong with the model is wrong with it everywhere, and must be told.
      if (error instanceof ModelError) throw error;
      failures.push(`no ${name}: ${reasonOf(error)}`);
    }
  }
  throw new ModelError(`no backend initialises (${failures.join('; ')})`);
}

/** @throws ModelError if model and options do not fit, or the backend asked for cannot be had */
export async function createBackend(
  file: SafetensorsFile,
  config: Gpt2Config,
  { backend = 'auto', ...options }: BackendOptions,
): Promise<ModelBackend> {
  if (backend === 'auto') return createBest(file, config, options);
  try {
    return await CREATORS[backend](file, config, options);
  } catch (error) {
    if (error instanceof ModelError || backend !== 'native') throw error;
    throw new ModelError(`the native backend cannot be used: ${reasonOf(error)}`, { cause: error });
  }
}
