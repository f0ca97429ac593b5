/**
 * What a gateway of a cluster knows of its workers: the registry, read twice a second, summed. While the registry does not answer the last
 * view stands for a few seconds; after that nothing is known and no worker counts as ready.
 */
import type { Logger } from '@inkwell/observability';
import type { WorkerRegistry } from '@inkwell/ports';
import type { WorkerStats } from './context.ts';

const everyMs = 500;
const staleMs = 5_000;
const nothing: WorkerStats = { tokensPerSecond: 0, jobsPerSecond: 0, ready: false };

export interface WorkersView {
  stats(): WorkerStats;
  close(): void;
}

/** Resolves when the registry was read once, or could not be. */
export async function watchWorkers(registry: WorkerRegistry, log: Logger): Promise<WorkersView> {
  let stats = nothing;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading = false;
  const read = async () => {
    if (reading) return;
    reading = true;
    try {
      const workers = await registry.list();
      const working = workers.filter(({ ready }) => ready);
      stats = {
        tokensPerSecond: working.reduce((sum, worker) => sum + worker.tokensPerSecond, 0),
        jobsPerSecond: working.reduce((sum, worker) => sum + worker.jobsPerSecond, 0),
        ready: working.length > 0,
      };
      readAt = performance.now();
    } catch (error) {
      log.warn({ err: error }, 'the workers could not be listed; tried again');
    } finally {
      reading = false;
    }
  };
  const timer = setInterval(() => void read(), everyMs);
  timer.unref();
  await read();
  return {
    stats: () => (performance.now() - readAt > staleMs ? nothing : stats),
    close: () => clearInterval(timer),
  };
}
