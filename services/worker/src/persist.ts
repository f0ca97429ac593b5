/**
 * Calls to the ports that must succeed in the end: each try has a deadline, a rejection is logged and tried again with a growing pause, and
 * giving up is the caller's signal. Tries and pauses are short enough that whoever was waiting when a dependency came back is at work again
 * within five seconds. Only for calls that may be repeated; appends, which may not, have their own check in the story writer.
 */
import type { Logger } from '@inkwell/observability';
import { Deadlines, retry } from '@inkwell/resilience';

/** How long one try may take, in milliseconds. */
export const tryTimeoutMs = 3_000;
const deadlines = new Deadlines(tryTimeoutMs);
const pauses = { firstMs: 25, longestMs: 1_000 };

export interface Persistence {
  readonly log: Logger;
  /** Aborts when the worker stops: what is still failing then is left to a redelivery. */
  readonly signal: AbortSignal;
}

/** @throws the signal's reason once it aborts; nothing else */
export function persist<T>({ log, signal }: Persistence, what: string, call: () => Promise<T>): Promise<T> {
  return retry(() => deadlines.bound(call, what), {
    ...pauses,
    signal,
    onFailure: (err, pauseMs) => log.warn({ err, what, pauseMs }, 'a call to the store failed and is tried again'),
  });
}
