/**
 * A thread of the engine process that ends it when its parent is gone. The main thread learns of that by its closed channel, but not while
 * it is inside a long or stuck computation; this thread does.
 */
import { flushCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';

const checkEveryMs = 250;

const { parentPid } = workerData as { parentPid: number };

function parentLives(): boolean {
  if (process.ppid !== parentPid) return false;
  try {
    process.kill(parentPid, 0);
    return true;
  } catch {
    return false;
  }
}

// This thread's modules are its own in the compile cache, too, and it will not end by itself.
flushCompileCache();
// Nor does it leave enough behind for V8 to ever look again.
globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });

setInterval(() => {
  if (!parentLives()) process.kill(process.pid, 'SIGKILL');
}, checkEveryMs);
