/** Starts the engine's watchdog, says so, and is stuck for ever in a computation: it never again looks at its channel. */
import { Worker } from 'node:worker_threads';

const watchdog = new URL('../engine-process/parent-watchdog.ts', import.meta.url);
new Worker(watchdog, { workerData: { parentPid: process.ppid } }).on('online', () => {
  process.send?.('stuck', undefined, undefined, () => {
    for (;;);
  });
});
