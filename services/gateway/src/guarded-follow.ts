/**
 * Following a story, or waiting for its end, while its dependency may go away. A follower mostly waits, so no call of its own tells it of an outage; the breaker does.
 * It bears one that is short, and ends with `dependency_unavailable` once it has lasted too long.
 */
import { InkwellError, type TerminalEvent } from '@inkwell/contracts';
import type { ResultStream } from '@inkwell/ports';
import { type Breaker, isOutage } from '@inkwell/resilience';

const unavailable = (cause: unknown) => new InkwellError('dependency_unavailable', { retryAfterSeconds: 1, cause });

/** Until whoever asked, or the breaker, has enough of it. `lost` says which. */
function watched(signal: AbortSignal, breaker: Breaker, graceMs: number) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort);
  const watch = {
    signal: controller.signal,
    lost: false,
    release(): void {
      signal.removeEventListener('abort', abort);
      unwatch();
    },
  };
  const unwatch = breaker.onOutage(graceMs, () => {
    watch.lost = true;
    abort();
  });
  return watch;
}

export const toPublic = (error: unknown): unknown =>
  error instanceof InkwellError || !isOutage(error) ? error : unavailable(error);

export const stayedAway = ({ dependency }: Breaker) => unavailable(new Error(`${dependency} stayed away`));

/** @param graceMs how long an outage is borne, from the last call that was answered */
export function guardedFollow(
  follow: ResultStream['follow'],
  breaker: Breaker,
  graceMs: number,
): ResultStream['follow'] {
  return async function* guarded(key, afterSeq, signal) {
    const watch = watched(signal, breaker, graceMs);
    try {
      yield* follow(key, afterSeq, watch.signal);
    } catch (error) {
      throw toPublic(error);
    } finally {
      watch.release();
    }
    if (watch.lost && !signal.aborted) throw stayedAway(breaker);
  };
}

/** @param graceMs how long an outage is borne, from the last call that was answered */
export function guardedAwaitEnd(
  awaitEnd: ResultStream['awaitEnd'],
  breaker: Breaker,
  graceMs: number,
): ResultStream['awaitEnd'] {
  return async (key, signal) => {
    const watch = watched(signal, breaker, graceMs);
    let end: TerminalEvent | undefined;
    try {
      end = await awaitEnd(key, watch.signal);
    } catch (error) {
      throw toPublic(error);
    } finally {
      watch.release();
    }
    if (end === undefined && watch.lost && !signal.aborted) throw stayedAway(breaker);
    return end;
  };
}
