/**
 * A thread of the engine process that ends it when its parent is gone. The main thread learns of that by its closed channel, but not while
 * it is inside a long or stuck computation; this thread does.
 */
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

setInterval(() => {
  if (!parentLives()) process.kill(process.pid, 'SIGKILL');
}, checkEveryMs);
