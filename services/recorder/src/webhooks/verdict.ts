/** What becomes of a webhook after a try: pauses grow for a day, then it is given up. */
import type { ClaimedWebhook } from '@inkwell/ports';
import type { PostResult } from '@inkwell/safety';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
/** After the first try, the second, and so on; the last pause holds for all further ones. */
const pausesMs = [
  second,
  5 * second,
  30 * second,
  2 * minute,
  10 * minute,
  30 * minute,
  hour,
  2 * hour,
  4 * hour,
  8 * hour,
] as const;
const triedForMs = 24 * hour;

export type Verdict = 'delivered' | 'given_up' | { retryAt: number };

/** Given up at once: a receiver that is gone (410) and one that may not be called. A redirect is a failure like any other. */
export function verdictOf(result: PostResult, { tries, createdAt }: ClaimedWebhook, now: number): Verdict {
  if (result.outcome === 'answered' && result.status >= 200 && result.status < 300) return 'delivered';
  if (result.outcome === 'refused' || (result.outcome === 'answered' && result.status === 410)) return 'given_up';
  const retryAt = now + pausesMs[Math.min(tries, pausesMs.length) - 1]!;
  return retryAt > createdAt + triedForMs ? 'given_up' : { retryAt };
}
