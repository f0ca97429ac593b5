/**
 * Counts what callers take and refuses what would be too much. Promises: all limits of a request are checked and taken in one atomic step, all
 * or none; however many take at once, never more than a limit's amount is taken within its window; taking twice for one id takes once as long as its
 * tokens are reserved; settling is idempotent per id. Not promised: that what was taken comes back at the very moment its window has passed (up to
 * three seconds later), that counts of the last minute survive the counter's death, fairness among those who are refused.
 */

/** `minute` slides: any 60 seconds. `day` and `month` are of the calendar, in UTC. */
export type LimitWindow = 'minute' | 'day' | 'month';

export interface Limit {
  /** Names whose limit it is and of what. Limits of one name have one unit and one window. */
  name: string;
  unit: 'requests' | 'tokens';
  window: LimitWindow;
  /** Most that may be taken within the window; at least 1. */
  amount: number;
}

export interface TakeRequest {
  /** What the reservation is for: a job's key. */
  id: string;
  /** Each is charged one request or `tokens` tokens. */
  limits: readonly Limit[];
  tokens: number;
}

export interface LimitUse {
  limit: Limit;
  /** Taken within the window, as far as known now. */
  used: number;
  /** Unix milliseconds when some of it comes back; null when nothing is taken. */
  returnsAt: number | null;
}

export type TakeResult =
  /** `uses` are in the order of the limits, this take included. */
  | { outcome: 'granted'; uses: LimitUse[] }
  /** Tokens are reserved for this id; nothing was taken. */
  | { outcome: 'held'; uses: LimitUse[] }
  /** `by` is the limit that takes longest to give way; `retryAt` (Unix ms) when it does, null when the request is larger than the limit. */
  | { outcome: 'refused'; uses: LimitUse[]; by: Limit; retryAt: number | null };

export interface RateLimiter {
  take(request: TakeRequest): Promise<TakeResult>;
  /**
   * Makes `tokens` final what was reserved for `id` in every token limit, and gives back the rest. Answers false when nothing is reserved for it: never,
   * or settled before.
   */
  settle(id: string, tokens: number): Promise<boolean>;
  /** How much is taken, without taking. */
  usage(limits: readonly Limit[]): Promise<LimitUse[]>;
  /** Sets counters to zero. Reservations stand; settling them never makes a counter negative. */
  reset(limits: readonly Limit[]): Promise<void>;
}
