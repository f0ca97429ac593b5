/**
 * Brings up TensorFlow.js's WebAssembly backend on a memory that other threads can share, so that our own kernels work
 * on its tensors without copies. The package itself refuses this in Node (tensorflow/tfjs issue 3830), so its threaded
 * build is started here by hand: on a memory of ours, with its own thread pool left empty (our kernels bring theirs,
 * see thread-pool.ts), and without the process-wide exception handlers it would install.
 * One runtime serves the whole process; tensors of all models live in its heap.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { compileFunction } from 'node:vm';
import { BackendWasm, setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { compileKernels } from './compile-kernels.ts';
import { instantiateKernels, type Kernels } from './kernels.ts';
import { registerKernels } from './register-kernels.ts';

export interface TfjsRuntime {
  readonly backend: BackendWasm;
  /** The heap all tensors live in. */
  readonly memory: WebAssembly.Memory;
  /** The compiled kernels, to be instantiated by each thread. */
  readonly kernelModule: WebAssembly.Module;
  /** Bits of a vector the kernels were compiled for. */
  readonly vectorBits: 128 | 256;
  /** The main thread's instance. */
  readonly kernels: Kernels;
}

/** What Emscripten's JavaScript offers of the compiled library, before the package adds its `tfjs` functions. */
interface CompiledLibrary {
  cwrap(name: string, result: 'number' | null, parameters: 'number'[]): (...values: number[]) => number;
}
type LibraryFactory = (settings: { wasmMemory: WebAssembly.Memory }) => Promise<CompiledLibrary>;

/** What the build itself asks for at least. */
const INITIAL_PAGES = 256;
/** All that 32-bit addresses reach. */
const MAXIMUM_PAGES = 65536;

/** Stands in for the eight workers the build starts beforehand and, with one thread of its own, never uses. */
class IdleWorker {
  onmessage: ((event: { data: { cmd: 'loaded' } }) => void) | undefined;
  postMessage(message: { cmd: string }): void {
    if (message.cmd === 'load') queueMicrotask(() => this.onmessage?.({ data: { cmd: 'loaded' } }));
  }
  on(): void {}
  unref(): void {}
  terminate(): void {}
}

/** Evaluates the build's JavaScript with our stand-ins in place of the globals it would use or change. */
function loadLibraryFactory(file: string): LibraryFactory {
  const exported = { exports: {} };
  const shieldedProcess = { versions: process.versions, argv: [], on() {}, listeners: () => [], removeListener() {} };
  const parameters = ['module', 'exports', 'require', '__filename', '__dirname', 'process', 'global', 'Worker'];
  const evaluate = compileFunction(readFileSync(file, 'utf8'), parameters, { filename: file });
  const require = createRequire(file);
  evaluate(exported, exported.exports, require, file, dirname(file), shieldedProcess, {}, IdleWorker);
  return exported.exports as LibraryFactory;
}

async function startBackend(memory: WebAssembly.Memory): Promise<BackendWasm> {
  const file = createRequire(import.meta.url).resolve(
    '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js',
  );
  const library = await loadLibraryFactory(file)({ wasmMemory: memory });
  const tfjs = {
    init: library.cwrap('init', null, []),
    initWithThreadsCount: library.cwrap('init_with_threads_count', null, ['number']),
    getThreadsCount: library.cwrap('get_threads_count', 'number', []),
    registerTensor: library.cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: library.cwrap('dispose_data', null, ['number']),
    dispose: library.cwrap('dispose', null, []),
  };
  setThreadsCount(1);
  return new BackendWasm(Object.assign(library, { tfjs }) as unknown as BackendWasm['wasm']);
}

async function start(allowWide: boolean): Promise<TfjsRuntime> {
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAXIMUM_PAGES, shared: true });
  const bytes = new Uint8Array(readFileSync(new URL('kernels.wasm', import.meta.url)));
  const { module: kernelModule, vectorBits } = compileKernels(bytes, allowWide);
  const kernels = instantiateKernels(kernelModule, memory);
  const backend = await startBackend(memory);
  tf.removeBackend('wasm');
  tf.registerBackend('wasm', () => backend);
  registerKernels(kernels);
  if (!(await tf.setBackend('wasm'))) throw new Error('TensorFlow.js refused the wasm backend');
  return { backend, memory, kernelModule, vectorBits, kernels };
}

let runtime: Promise<TfjsRuntime> | undefined;

/**
 * The process's runtime, started on first use.
 * @param allowWide false to keep the kernels at 128-bit vectors; only the first call's counts
 */
export function tfjsRuntime(allowWide = true): Promise<TfjsRuntime> {
  runtime ??= start(allowWide);
  return runtime;
}
