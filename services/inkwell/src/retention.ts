/** Removes finished jobs and their events once they are older than the operator wants to keep them. */
import type { Logger } from '@inkwell/observability';
import type { Clock } from '@inkwell/ports';

const sweepEveryMs = 600_000;

export interface Prunable {
  /** Removes what finished before then (Unix ms); answers how many jobs. */
  prune(beforeMs: number): Promise<number>;
}

export function startRetention(store: Prunable, keepHours: number, clock: Clock, log: Logger): { stop(): void } {
  const sweep = () =>
    store.prune(clock.now() - keepHours * 3_600_000).then(
      (jobs) => jobs > 0 && log.info({ jobs }, 'old jobs removed'),
      (error: unknown) => log.warn({ err: error }, 'old jobs could not be removed; tried again later'),
    );
  const timer = setInterval(sweep, sweepEveryMs);
  timer.unref();
  void sweep();
  return { stop: () => clearInterval(timer) };
}
