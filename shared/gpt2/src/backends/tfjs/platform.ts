/**
 * What executes TensorFlow.js's own operations. Several can live in one process, and TensorFlow.js has one current backend: whoever computes says on
 * which, each time.
 */
import * as tf from '@tensorflow/tfjs-core';
import { tfjsRuntime } from '../tfjs-wasm/tfjs-runtime.ts';

export interface Platform {
  /** TensorFlow.js's name of the backend that computes. */
  readonly backend: string;
  /** For `info`: what `name` and `device` are to say. */
  readonly name: string;
  readonly device: string;
  readonly threads: number;
}

async function startWasm(): Promise<Platform> {
  await tfjsRuntime();
  return { backend: 'wasm', name: 'tfjs', device: "cpu (TensorFlow.js's WebAssembly operations)", threads: 1 };
}

async function startCpu(): Promise<Platform> {
  // Else it prints an advertisement for another package.
  tf.env().set('PROD', true);
  await import('@tensorflow/tfjs-backend-cpu');
  return { backend: 'cpu', name: 'tfjs', device: "cpu (TensorFlow.js's JavaScript operations)", threads: 1 };
}

const STARTERS = { wasm: startWasm, cpu: startCpu } as const;

export type PlatformName = keyof typeof STARTERS;

export function startPlatform(name: PlatformName): Promise<Platform> {
  return STARTERS[name]();
}

/** The wasm operations, or the JavaScript ones where WebAssembly does not start. */
export function startAnyPlatform(): Promise<Platform> {
  return startWasm().catch(startCpu);
}

/** Runs `work`, which must not await anything, on the platform. */
export function on<T>({ backend }: Platform, work: () => T): T {
  const before: string | null | undefined = tf.engine().backendName;
  // Done when it returns, though it answers with a promise: the backend was initialised when the platform started.
  void tf.setBackend(backend);
  try {
    return work();
  } finally {
    if (before && before !== backend) void tf.setBackend(before);
  }
}
