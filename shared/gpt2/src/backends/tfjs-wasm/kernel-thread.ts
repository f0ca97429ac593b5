/** A worker thread of the pool: instantiates the kernels on the shared heap and serves jobs until told to stop. */
import { flushCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import { instantiateKernels } from './kernels.ts';

export interface KernelThreadData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: number;
  /** 1, 2, … ; the main thread is 0. */
  readonly thread: number;
}

const { module, memory, control, thread } = workerData as KernelThreadData;
const kernels = instantiateKernels(module, memory);
// It usually ends by SIGKILL, which leaves no time for that.
flushCompileCache();
// From here on it allocates nothing, so nothing else would ever give back what its start took.
globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
parentPort?.postMessage('ready');
kernels.serve(control, thread);
