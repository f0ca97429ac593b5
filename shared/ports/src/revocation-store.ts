/**
 * What was revoked, for as long as it matters. Promises: a record is durable when `add` resolves and is found by every later `since`; the
 * latest time of a subject stands. Not promised: order.
 */
import type { Revocation } from '@inkwell/contracts';

export interface RevocationStore {
  add(revocation: Revocation): Promise<void>;
  /** Those whose `at` is not before `from` and whose time is not over at `now` (Unix ms both). */
  since(from: number, now: number): Promise<Revocation[]>;
  /** Removes those whose time was over before then. Answers how many. */
  pruneRevocations(expiredBefore: number): Promise<number>;
}
