/**
 * Calls to the ports that must succeed in the end: each try has a deadline, a rejection is logged and tried again with a growing pause, and
 * giving up is the caller's signal. Only for calls that may be repeated; appends, which may not, have their own check in the story writer.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@inkwell/observability';

const tryTimeoutMs = 15_000;
const firstPauseMs = 25;
const longestPauseMs = 2_000;

/** Rejects when `work` takes longer than a try may. */
export async function withDeadline<T>(work: Promise<T>, what: string, timeoutMs = tryTimeoutMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export interface Persistence {
  readonly log: Logger;
  /** Aborts when the worker stops: what is still failing then is left to a redelivery. */
  readonly signal: AbortSignal;
}

/** @throws the signal's reason once it aborts; nothing else */
export async function persist<T>({ log, signal }: Persistence, what: string, call: () => Promise<T>): Promise<T> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    signal.throwIfAborted();
    try {
      return await withDeadline(call(), what);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      log.warn({ err: error, what, pauseMs }, 'a call to the store failed and is tried again');
    }
    await delay(pauseMs, undefined, { signal }).catch(() => {});
  }
}
