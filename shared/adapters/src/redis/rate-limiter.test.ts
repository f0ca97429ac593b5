/** The shared counters keep every promise, against a real server whose clock the suite replaces; and they do as the counters in memory do. */
import { randomUUID } from 'node:crypto';
import { createMemoryRateLimiter } from '@inkwell/limits';
import type { Limit } from '@inkwell/ports';
import { rateLimiterConformance } from '@inkwell/ports/conformance';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis } from '../../../../infra/services/redis.ts';
import type { RunningService } from '../../../../infra/services/running-service.ts';
import { connectRedis } from './connection.ts';
import { keyspace } from './keyspace.ts';
import { createRateLimiter } from './rate-limiter.ts';

async function open(url: string) {
  const connection = await connectRedis({ url, deadlineMs: 5_000, log: () => {} });
  let now = 1_700_000_000_000;
  const clock = { now: () => now };
  const keys = keyspace(`test-${randomUUID()}:`);
  return {
    connection,
    clock,
    keys,
    rateLimiter: createRateLimiter(connection, keys, { clock, ownTime: true }),
    now: () => now,
    advance: async (ms: number) => {
      now += ms;
    },
    close: () => connection.close(),
  };
}

rateLimiterConformance(async () => {
  const server = await startRedis();
  const adapter = await open(server.url);
  return {
    ...adapter,
    close: async () => {
      await adapter.close();
      await server.stop();
    },
  };
});

let server: RunningService;
let adapter: Awaited<ReturnType<typeof open>>;
beforeAll(async () => {
  server = await startRedis();
  adapter = await open(server.url);
});
afterAll(async () => {
  await adapter.close();
  await server.stop();
});

it('answers word for word what counting in memory answers', async () => {
  const tokens = fc.integer({ min: 1, max: 70 });
  const step = fc.oneof(
    fc.record({ call: fc.constant('take' as const), id: fc.nat(5), tokens, which: fc.nat(7) }),
    fc.record({ call: fc.constant('settle' as const), id: fc.nat(5), tokens }),
    fc.record({ call: fc.constant('wait' as const), ms: fc.oneof(fc.nat(70_000), fc.constant(3_600_000)) }),
    fc.record({ call: fc.constant('reset' as const), which: fc.nat(7) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const memory = createMemoryRateLimiter(adapter.clock);
      const run = randomUUID();
      const all: Limit[] = [
        { name: `${run}:r`, unit: 'requests', window: 'minute', amount: 4 },
        { name: `${run}:t`, unit: 'tokens', window: 'minute', amount: 100 },
        { name: `${run}:d`, unit: 'tokens', window: 'day', amount: 300 },
      ];
      for (const one of steps) {
        if (one.call === 'wait') {
          await adapter.advance(one.ms);
          continue;
        }
        const limits = 'which' in one ? all.filter((_, bit) => (one.which >> bit) & 1) : [];
        const ask = ({ take, settle, reset }: typeof memory): Promise<unknown> => {
          if (one.call === 'take') return take({ id: `${run}:${one.id}`, limits, tokens: one.tokens });
          if (one.call === 'settle') return settle(`${run}:${one.id}`, one.tokens);
          return reset(limits);
        };
        expect(await ask(adapter.rateLimiter), JSON.stringify(one)).toEqual(await ask(memory));
        expect(await adapter.rateLimiter.usage(all)).toEqual(await memory.usage(all));
      }
    }),
    { numRuns: 150 },
  );
});

it('leaves nothing behind that does not expire by itself', async () => {
  const { connection, keys, rateLimiter } = adapter;
  const limits: Limit[] = [
    { name: 'x:r', unit: 'requests', window: 'minute', amount: 4 },
    { name: 'x:t', unit: 'tokens', window: 'minute', amount: 100 },
    { name: 'x:m', unit: 'tokens', window: 'month', amount: 100 },
  ];
  await rateLimiter.take({ id: 'x', limits, tokens: 10 });
  const names = await connection.call((redis) => redis.keys(`${keys.counter('x:')}*`));
  expect(names).toHaveLength(3);
  for (const name of [...names, keys.reservation('x')]) {
    expect(await connection.call((redis) => redis.pttl(name)), name).toBeGreaterThan(0);
  }
  await rateLimiter.settle('x', 1);
  expect(await connection.call((redis) => redis.exists(keys.reservation('x')))).toBe(0);
});
