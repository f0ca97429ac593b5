/** Trying again with growing pauses, for writes that may be repeated. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Pauses {
  firstMs: number;
  longestMs: number;
  /** After this long the failure is handed on: the log has its own pauses, and must hear from its consumer now and then. */
  patienceMs: number;
}

export const usualPauses: Pauses = { firstMs: 50, longestMs: 1_000, patienceMs: 5_000 };

/**
 * @param onFailure told of every failure that is followed by another try
 * @throws the last failure once patience is over or the signal aborts
 */
export async function retry(
  work: () => Promise<void>,
  { firstMs, longestMs, patienceMs }: Pauses,
  signal: AbortSignal,
  onFailure: (error: unknown, pauseMs: number) => void,
): Promise<void> {
  const givesUpAt = performance.now() + patienceMs;
  for (let pauseMs = firstMs; ; pauseMs = Math.min(longestMs, pauseMs * 2)) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || performance.now() + pauseMs > givesUpAt) throw error;
      onFailure(error, pauseMs);
    }
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
}
