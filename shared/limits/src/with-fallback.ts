/**
 * A RateLimiter that goes on without its shared counters. When a take fails or takes too long, limits hold in this process alone, from zero, and the
 * shared counters are asked again once in a while; so every process may grant a whole limit of its own meanwhile. Settlements of what was
 * taken here are made here; all others are the shared counters', and fail while those do.
 */
import type { Clock, RateLimiter } from '@inkwell/ports';
import { createMemoryRateLimiter } from './memory-rate-limiter.ts';

export interface FallbackOptions {
  clock: Clock;
  /** Longest a take may wait for the shared counters (default 250). */
  timeoutMs?: number;
  /** How long nobody asks them after they failed (default 1000). */
  retryMs?: number;
  /** Told when it begins, with the reason, and when it ends. */
  onChange(active: boolean, reason?: unknown): void;
}

export function withFallback(shared: RateLimiter, options: FallbackOptions): RateLimiter {
  const { clock, timeoutMs = 250, retryMs = 1_000, onChange } = options;
  const own = createMemoryRateLimiter(clock);
  let askAgainAt: number | undefined;

  async function orOwn<Value>(ask: (limiter: RateLimiter) => Promise<Value>): Promise<Value> {
    if (askAgainAt !== undefined) {
      if (clock.now() < askAgainAt) return ask(own);
      // One asks; the others don't wait for the answer.
      askAgainAt = clock.now() + retryMs;
    }
    try {
      const answer = await within(timeoutMs, ask(shared));
      if (askAgainAt !== undefined) onChange(false);
      askAgainAt = undefined;
      return answer;
    } catch (reason) {
      if (askAgainAt === undefined) onChange(true, reason);
      askAgainAt = clock.now() + retryMs;
      return ask(own);
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

async function within<Value>(timeoutMs: number, work: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
