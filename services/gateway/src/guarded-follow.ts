/**
 * Following a story while its dependency may go away. A follower mostly waits, so no call of its own tells it of an outage; the breaker does.
 * It bears one that is short, and ends with `dependency_unavailable` once it has lasted too long.
 */
import { InkwellError } from '@inkwell/contracts';
import type { ResultStream } from '@inkwell/ports';
import { type Breaker, isOutage } from '@inkwell/resilience';

const unavailable = (cause: unknown) => new InkwellError('dependency_unavailable', { retryAfterSeconds: 1, cause });

/** @param graceMs how long an outage is borne, from the last call that was answered */
export function guardedFollow(
  follow: ResultStream['follow'],
  breaker: Breaker,
  graceMs: number,
): ResultStream['follow'] {
  return async function* guarded(key, afterSeq, signal) {
    const controller = new AbortController();
    const abort = () => controller.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    let lost = false;
    const unwatch = breaker.onOutage(graceMs, () => {
      lost = true;
      abort();
    });
    try {
      yield* follow(key, afterSeq, controller.signal);
    } catch (error) {
      if (error instanceof InkwellError || !isOutage(error)) throw error;
      throw unavailable(error);
    } finally {
      signal.removeEventListener('abort', abort);
      unwatch();
    }
    if (lost && !signal.aborted) throw unavailable(new Error(`${breaker.dependency} stayed away`));
  };
}
