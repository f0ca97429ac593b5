/**
 * Trying again with growing pauses. The pauses of many who failed together are spread, so that they do not come back together: each lies
 * at random between half its length and the whole ("equal jitter": Brooker, Exponential Backoff and Jitter, AWS Architecture Blog, 2015).
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Backoff {
  firstMs: number;
  longestMs: number;
  /** Uniform in [0, 1); for tests. */
  random?: () => number;
}

export interface RetryOptions extends Backoff {
  /** Ends the trying. */
  signal: AbortSignal;
  /** Told of each failure before the pause; may throw to give up. */
  onFailure(error: unknown, pauseMs: number): void;
}

/** Length of the pause after the failure number `failures` (from 1). */
export function pauseAfter(failures: number, { firstMs, longestMs, random = Math.random }: Backoff): number {
  const wholeMs = Math.min(longestMs, firstMs * 2 ** (failures - 1));
  return wholeMs / 2 + (wholeMs / 2) * random();
}

/** Only for work that may be repeated. @throws the signal's reason once it aborts, or what `onFailure` throws */
export async function retry<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, onFailure } = options;
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const pauseMs = pauseAfter(failures, options);
      onFailure(error, pauseMs);
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
  }
}
