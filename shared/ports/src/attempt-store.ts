/**
 * How often something was tried in vain, to make the next try wait; and what may be used once. Promises: of tries at the same time each is
 * counted; of uses at the same time one is first. Tries refused for being too early are not counted.
 */
export interface AttemptRule {
  /** delaysMs[0] is how long after the first try the next must wait, and so on; the last holds for all further ones. */
  delaysMs: readonly number[];
  /** After this long without a try all is forgotten; longer than every delay. */
  forgetMs: number;
}

export interface AttemptStore {
  /** Counts a try, or says how long to wait for the next. */
  begin(subject: string, now: number, rule: AttemptRule): Promise<'allowed' | { retryAfterMs: number }>;
  /** It went well: forgets the tries. */
  clear(subject: string): Promise<void>;
  /** True for the first use of this text before `expiresAt`. */
  useOnce(text: string, now: number, expiresAt: number): Promise<boolean>;
  /** Removes what is forgotten. Answers how many records went. */
  pruneAttempts(now: number): Promise<number>;
}
