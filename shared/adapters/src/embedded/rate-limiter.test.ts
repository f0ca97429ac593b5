/** Budgets of the embedded edition are kept with the jobs they admitted; the last minute is not. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Limit } from '@inkwell/ports';
import { rateLimiterConformance } from '@inkwell/ports/conformance';
import { expect, it } from 'vitest';
import { openDatabase } from './database.ts';
import { openEmbeddedStore } from './index.ts';
import { createRateLimiter } from './rate-limiter.ts';
import { sampleJob } from './testing/sample-job.ts';
import { scratch } from './testing/scratch.ts';

rateLimiterConformance(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-'));
  let nowMs = 1_700_000_000_000;
  const store = await openEmbeddedStore({ directory, clock: { now: () => nowMs } });
  return {
    rateLimiter: store.rateLimiter,
    now: () => nowMs,
    advance: async (ms) => {
      nowMs += ms;
    },
    close: async () => {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
});

const bench = scratch();
const nowMs = 1_700_000_000_000;
const clock = { now: () => nowMs };
const minute: Limit = { name: 'key:1:tokens', unit: 'tokens', window: 'minute', amount: 1_000 };
const day: Limit = { name: 'key:1:tokens', unit: 'tokens', window: 'day', amount: 1_000 };

it('knows budgets and open reservations after a restart, and settles them', async () => {
  const directory = await bench.directory();
  const first = bench.closeLater(await openEmbeddedStore({ directory, clock }));
  for (const id of ['open', 'settled', 'reset']) {
    await first.rateLimiter.take({ id, limits: [minute, day], tokens: 100 });
  }
  await first.rateLimiter.settle('settled', 10);
  const other = { ...day, name: 'key:2:tokens' };
  await first.rateLimiter.take({ id: 'other', limits: [other], tokens: 5 });
  await first.rateLimiter.reset([other]);
  await first.close();

  const second = bench.closeLater(await openEmbeddedStore({ directory, clock }));
  const used = async () => (await second.rateLimiter.usage([minute, day, other])).map((use) => use.used);
  expect(await used()).toEqual([0, 210, 0]);
  expect(await second.rateLimiter.take({ id: 'open', limits: [minute, day], tokens: 100 })).toMatchObject({
    outcome: 'held',
  });
  expect(await second.rateLimiter.settle('open', 30)).toBe(true);
  expect(await second.rateLimiter.settle('settled', 30)).toBe(false);
  expect(await used()).toEqual([0, 140, 0]);
});

it('writes a taking in the same commit as the job that is made next', async () => {
  const database = bench.closeLater(await openDatabase(await bench.directory()));
  const limiter = createRateLimiter(database, clock, undefined);
  const { key } = sampleJob('t', '1');
  await limiter.take({ id: key, limits: [day], tokens: 100 });
  await database.write('publishMessage', { key, message: '{}', attempts: 0 });
  expect(database.totals).toEqual({ groups: 1, operations: 2 });
});

it('forgets budgets of past days when the store is pruned', async () => {
  const directory = await bench.directory();
  let now = nowMs;
  const first = bench.closeLater(await openEmbeddedStore({ directory, clock: { now: () => now } }));
  await first.rateLimiter.take({ id: 'job', limits: [day], tokens: 100 });
  now += 3 * 86_400_000;
  await first.prune(0);
  await first.close();
  const database = bench.closeLater(await openDatabase(directory));
  for (const table of ['limit_budgets', 'limit_reservations']) {
    expect(database.read((connection) => connection.all(`SELECT * FROM ${table}`))).toEqual([]);
  }
});
