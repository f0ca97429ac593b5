/**
 * A RateLimiter that goes on without its shared counters. A take that fails is refused like any other call to something that is away; only when they have
 * answered nothing for a while do limits hold in this process alone, from zero, until they answer again. So a slow moment never lets
 * too much through, and in an outage every process may grant a whole limit of its own. Settlements of what was taken here are made here; all others are the
 * shared counters', and fail while those do.
 */
import type { Clock, RateLimiter } from '@inkwell/ports';
import { createMemoryRateLimiter } from './memory-rate-limiter.ts';

export interface FallbackOptions {
  clock: Clock;
  /** How long they must have failed without one answer before this process goes on without them (default 2000). */
  patienceMs?: number;
  /** How often one take asks them again meanwhile (default 1000). */
  retryMs?: number;
  /** Told when it begins, with the reason, and when it ends. */
  onChange(active: boolean, reason?: unknown): void;
}

export function withFallback(shared: RateLimiter, options: FallbackOptions): RateLimiter {
  const { clock, patienceMs = 2_000, retryMs = 1_000, onChange } = options;
  const own = createMemoryRateLimiter(clock);
  let failingSince: number | undefined;
  /** Set while they are away. */
  let askAgainAt: number | undefined;

  function answered(): void {
    if (askAgainAt !== undefined) onChange(false);
    failingSince = undefined;
    askAgainAt = undefined;
  }

  /** Whether they count as away, now that they have failed once more. */
  function isAway(reason: unknown): boolean {
    const now = clock.now();
    failingSince ??= now;
    if (now - failingSince < patienceMs) return false;
    if (askAgainAt === undefined) onChange(true, reason);
    askAgainAt = now + retryMs;
    return true;
  }

  async function orOwn<Value>(ask: (limiter: RateLimiter) => Promise<Value>): Promise<Value> {
    if (askAgainAt !== undefined) {
      if (clock.now() < askAgainAt) return ask(own);
      // One asks; the others don't wait for the answer.
      askAgainAt = clock.now() + retryMs;
    }
    try {
      const answer = await ask(shared);
      answered();
      return answer;
    } catch (reason) {
      if (isAway(reason)) return ask(own);
      throw reason;
    }
  }

  return {
    take: (request) => orOwn((limiter) => limiter.take(request)),
    usage: (limits) => orOwn((limiter) => limiter.usage(limits)),
    settle: async (id, tokens) => (await own.settle(id, tokens)) || shared.settle(id, tokens),
    async reset(limits) {
      await own.reset(limits);
      await shared.reset(limits);
    },
  };
}
