/** WorkerRegistry inside one process: its workers are gone when it is, so nothing needs to be kept. */
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Numerics, WorkerEntry, WorkerRegistry } from '@inkwell/ports';

export function createWorkerRegistry(clock: Clock): WorkerRegistry {
  const workers = new Map<string, WorkerEntry & { until: number }>();

  let agreed: { numerics: Numerics; until: number } | undefined;

  const living = (id: string) => {
    const worker = workers.get(id);
    if (worker === undefined || worker.until > clock.now()) return worker;
    workers.delete(id);
    return undefined;
  };

  return {
    async heartbeat(report, ttlMs) {
      const now = clock.now();
      const wish = living(report.id)?.wish ?? 'run';
      workers.set(report.id, { ...report, seenAt: now, wish, until: now + ttlMs });
      return wish;
    },

    async leave(id) {
      workers.delete(id);
    },

    async list() {
      const ids = [...workers.keys()].sort();
      return ids.flatMap((id) => {
        const worker = living(id);
        if (worker === undefined) return [];
        const { until: _, ...entry } = worker;
        return [entry];
      });
    },

    async ask(id, wish) {
      const worker = living(id);
      if (worker !== undefined) worker.wish = wish;
      return worker !== undefined;
    },

    async agree(numerics, ttlMs, mayReplace) {
      const now = clock.now();
      const holds = agreed !== undefined && (agreed.until > now || !mayReplace) ? agreed.numerics : numerics;
      if (isDeepStrictEqual(holds, numerics)) agreed = { numerics, until: now + ttlMs };
      return holds;
    },
  };
}
