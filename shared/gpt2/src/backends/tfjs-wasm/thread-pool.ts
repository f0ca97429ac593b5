/**
 * The threads that share a model's work. They wait on a word of the shared heap, spinning a little and then asleep, so
 * an idle pool costs nothing. If threads cannot be started the pool has just the main thread, and says why: results
 * are the same to the bit, only slower.
 */
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import type { KernelThreadData } from './kernel-thread.ts';
import type { TfjsRuntime } from './tfjs-runtime.ts';

export interface ThreadPool {
  /** Including the main thread. */
  readonly threads: number;
  /** Address of the control block. */
  readonly control: number;
  /** Why there are fewer threads than asked for. */
  readonly shortfall?: string;
  dispose(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;
/** A cache line for the ticket, one for the arguments, and room to align. */
const CONTROL_BYTES = 256;

/** Resolves when the thread serves; rejects if it fails or takes too long. */
async function startThread(data: KernelThreadData): Promise<Worker> {
  const worker = new Worker(new URL('kernel-thread.ts', import.meta.url), { workerData: data });
  worker.unref();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      void worker.terminate();
      reject(new Error(`a kernel thread did not start within ${START_TIMEOUT_MS} ms`));
    }, START_TIMEOUT_MS);
    const settle = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    worker.once('message', () => settle(() => resolve(worker)));
    worker.once('error', (error) => settle(() => reject(error)));
  });
}

/** @param threads including the main thread, at least 1 */
export async function createThreadPool(runtime: TfjsRuntime, threads: number): Promise<ThreadPool> {
  const block = tf.zeros([CONTROL_BYTES / 4], 'int32');
  const control = Math.ceil(runtime.backend.getMemoryOffset(block.dataId) / 64) * 64;
  const starts = Array.from({ length: threads - 1 }, (_, index) =>
    startThread({ module: runtime.kernelModule, memory: runtime.memory, control, thread: index + 1 }),
  );
  const results = await Promise.allSettled(starts);
  const workers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failure = results.find((result) => result.status === 'rejected');
  return {
    threads: threads - (results.length - workers.length),
    control,
    ...(failure === undefined ? {} : { shortfall: String(failure.reason) }),
    async dispose() {
      const exits = workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve)));
      for (const worker of workers) worker.ref();
      runtime.kernels.stop(control);
      await Promise.all(exits);
      block.dispose();
    },
  };
}
