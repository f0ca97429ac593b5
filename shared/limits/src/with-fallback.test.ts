/** Without the shared counters every process goes on with its own, says so once, and comes back by itself. */
import type { Limit, RateLimiter } from '@inkwell/ports';
import { rateLimiterConformance } from '@inkwell/ports/conformance';
import { beforeEach, expect, it } from 'vitest';
import { createMemoryRateLimiter } from './memory-rate-limiter.ts';
import { withFallback } from './with-fallback.ts';

let now = 1_700_000_000_000;
const clock = { now: () => now };

rateLimiterConformance(async () => ({
  rateLimiter: withFallback(createMemoryRateLimiter(clock), { clock, onChange: () => {} }),
  now: clock.now,
  advance: async (ms) => {
    now += ms;
  },
  close: async () => {},
}));

/** The shared counters, which a test can take away. */
const shared = createMemoryRateLimiter(clock);
let state: 'up' | 'down' = 'up';
let asked = 0;
const through = <Args extends unknown[], Value>(call: (...args: Args) => Promise<Value>) =>
  ((...args) => {
    asked += 1;
    return state === 'up' ? call(...args) : Promise.reject(new Error('gone'));
  }) as (...args: Args) => Promise<Value>;
const fragile: RateLimiter = {
  take: through(shared.take),
  settle: through(shared.settle),
  usage: through(shared.usage),
  reset: through(shared.reset),
};

const changes: boolean[] = [];
const open = () =>
  withFallback(fragile, { clock, patienceMs: 2_000, retryMs: 1_000, onChange: (active) => changes.push(active) });
const limit: Limit = { name: 'k', unit: 'tokens', window: 'minute', amount: 10 };
const day: Limit = { ...limit, window: 'day' };

beforeEach(async () => {
  state = 'up';
  await shared.reset([limit, day]);
  changes.length = 0;
  asked = 0;
});

/** The counters go away, and stay away longer than anybody's patience. */
async function outlast(gateways: readonly RateLimiter[]): Promise<void> {
  state = 'down';
  for (const gateway of gateways) {
    await expect(gateway.take({ id: 'impatient', limits: [], tokens: 0 })).rejects.toThrow('gone');
  }
  now += 2_000;
  for (const gateway of gateways) await gateway.take({ id: 'patient', limits: [], tokens: 0 });
  asked = 0;
}

it('keeps each of two gateways within the limit while the shared counters are gone, and both together afterwards', async () => {
  const gateways = [open(), open()];
  const takeAll = async (tag: string) => {
    let tokens = 0;
    for (const gateway of gateways) {
      for (let round = 0; round < 20; round++) {
        const { outcome } = await gateway.take({ id: `${tag}-${tokens}-${round}`, limits: [limit], tokens: 1 });
        if (outcome === 'granted') tokens += 1;
      }
    }
    return tokens;
  };
  await outlast(gateways);
  expect(await takeAll('down')).toBe(20);
  expect(changes).toEqual([true, true]);
  expect(asked).toBe(0);
  state = 'up';
  now += 1_000;
  expect(await takeAll('up')).toBe(10);
  expect(changes).toEqual([true, true, false, false]);
});

it('grants nothing of its own in a slow moment: one answer in between shows that they are there', async () => {
  const gateway = open();
  const take = (id: string) => gateway.take({ id, limits: [limit], tokens: 1 });
  for (let round = 0; round < 5; round++) {
    state = 'down';
    for (let failure = 0; failure < 3; failure++) {
      await expect(take(`vain-${round}-${failure}`)).rejects.toThrow('gone');
      now += 600;
    }
    state = 'up';
    expect(await take(`good-${round}`)).toMatchObject({ outcome: 'granted' });
  }
  expect(changes).toEqual([]);
});

it('asks again with one request while the others go on', async () => {
  const gateway = open();
  await outlast([gateway]);
  now += 1_000;
  asked = 0;
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => gateway.take({ id: `b-${index}`, limits: [limit], tokens: 1 })),
  );
  expect(asked).toBe(1);
  expect(answers.filter(({ outcome }) => outcome === 'granted')).toHaveLength(10);
});

it('settles what was taken where it was taken', async () => {
  const gateway = open();
  await gateway.take({ id: 'before', limits: [day], tokens: 4 });
  await outlast([gateway]);
  await gateway.take({ id: 'meanwhile', limits: [day], tokens: 4 });
  await expect(gateway.settle('before', 1)).rejects.toThrow('gone');
  expect(await gateway.settle('meanwhile', 1)).toBe(true);
  state = 'up';
  now += 1_000;
  expect(await gateway.settle('before', 1)).toBe(true);
  expect((await gateway.usage([day]))[0]!.used).toBe(1);
});
