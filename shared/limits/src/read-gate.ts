/**
 * The gate before everything that only reads: generous, per process, in fixed windows of a minute. It keeps one client in a loop from taking a gateway
 * for itself; it is no quota.
 */
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

interface ReadPass {
  /** 0 to let pass, or the milliseconds after which to come back. */
  waitMs: number;
  /** Whether it is the first refusal of its minute. */
  first: boolean;
}

export type ReadGate = (who: string) => Promise<ReadPass>;

const pass: ReadPass = { waitMs: 0, first: false };

/** @param perMinute null = let everybody pass */
export function createReadGate(perMinute: number | null): ReadGate {
  if (perMinute === null) return async () => pass;
  const limiter = new RateLimiterMemory({ points: perMinute, duration: 60 });
  return async (who) => {
    try {
      await limiter.consume(who);
      return pass;
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      return { waitMs: Math.max(1, refusal.msBeforeNext), first: refusal.consumedPoints === perMinute + 1 };
    }
  };
}
