/** Which backend computes a model: the one that was asked for, or with `auto` the best that initialises on this machine. */
import type { ModelBackend } from '@inkwell/ports';
import type { Gpt2Config } from '../config.ts';
import { ModelError } from '../errors.ts';
import type { SafetensorsFile } from '../safetensors/reader.ts';
import { createTfjsBackend } from './tfjs/backend.ts';
import { createTfjsWasmBackend, type TfjsWasmOptions } from './tfjs-wasm/backend.ts';

type CreateBackend = (file: SafetensorsFile, config: Gpt2Config, options: TfjsWasmOptions) => Promise<ModelBackend>;

const CREATORS = {
  wasm: createTfjsWasmBackend,
  tfjs: createTfjsBackend,
} as const satisfies Record<string, CreateBackend>;

export type BackendName = keyof typeof CREATORS;

/** What `auto` tries, best first. */
const AUTO: readonly BackendName[] = ['wasm', 'tfjs'];

export interface BackendOptions extends TfjsWasmOptions {
  /** `auto`, the default, takes the first of wasm and tfjs that initialises; `info.device` then says why another did not. */
  readonly backend?: 'auto' | BackendName;
}

async function createBest(file: SafetensorsFile, config: Gpt2Config, options: TfjsWasmOptions): Promise<ModelBackend> {
  const failures: string[] = [];
  for (const name of AUTO) {
    try {
      const backend = await CREATORS[name](file, config, options);
      if (failures.length === 0) return backend;
      return { ...backend, info: { ...backend.info, device: `${backend.info.device}; ${failures.join('; ')}` } };
    } catch (error) {
      // What is wrong with the model is wrong with it everywhere, and must be told.
      if (error instanceof ModelError) throw error;
      failures.push(`no ${name}: ${error instanceof Error ? error.message : String(error)}`);
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
  return backend === 'auto' ? createBest(file, config, options) : CREATORS[backend](file, config, options);
}
