/**
 * The gate before everything that only reads: generous, per process, in fixed windows of a minute. It keeps one client in a loop from taking a gateway
 * for itself; it is no quota.
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

/** Answers 0 to let pass, or the milliseconds after which to come back. */
export type ReadGate = (who: string) => Promise<number>;

/** @param perMinute null = let everybody pass */
export function createReadGate(perMinute: number | null): ReadGate {
  if (perMinute === null) return async () => 0;
  const limiter = new RateLimiterMemory({ points: perMinute, duration: 60 });
  return async (who) => {
    try {
      await limiter.consume(who);
      return 0;
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      return Math.max(1, refusal.msBeforeNext);
    }
  };
}
