/** Counting in memory keeps every promise of a RateLimiter, and forgets what is over. */
import { rateLimiterConformance } from '@inkwell/ports/conformance';
import { expect, it } from 'vitest';
import { LimitCounters } from './limit-counters.ts';
import { createMemoryRateLimiter } from './memory-rate-limiter.ts';

rateLimiterConformance(async () => {
  let now = 1_700_000_000_000;
  return {
    rateLimiter: createMemoryRateLimiter({ now: () => now }),
    now: () => now,
    advance: async (ms) => {
      now += ms;
    },
    close: async () => {},
  };
});

it('forgets budgets and reservations that are over', () => {
  const counters = new LimitCounters();
  const limit = { name: 'k', unit: 'tokens', window: 'day', amount: 10 } as const;
  const start = Date.UTC(2026, 0, 31, 12);
  for (let day = 0; day < 5; day++) {
    const taken = counters.take({ id: `job-${day}`, limits: [limit], tokens: 1 }, start + day * 86_400_000);
    expect(taken.outcome).toBe('granted');
    expect([...counters.budgets.keys()]).toEqual([
      `k@${new Date(start + day * 86_400_000).toISOString().slice(0, 10)}`,
    ]);
    expect(counters.reservations.size).toBeLessThanOrEqual(2);
  }
});
