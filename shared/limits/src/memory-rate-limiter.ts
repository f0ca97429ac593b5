/** A RateLimiter of this process alone, in memory: what a gateway goes on with when the shared one can't be asked. */
import type { Clock, RateLimiter } from '@inkwell/ports';
import { LimitCounters } from './limit-counters.ts';

export function createMemoryRateLimiter(clock: Clock): RateLimiter {
  const counters = new LimitCounters();
  return {
    take: async (request) => counters.take(request, clock.now()),
    settle: async (id, tokens) => counters.settle(id, tokens) !== undefined,
    usage: async (limits) => counters.usage(limits, clock.now()),
    async reset(limits) {
      counters.reset(limits, clock.now());
    },
  };
}
