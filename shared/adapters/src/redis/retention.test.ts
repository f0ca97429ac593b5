/** What is removed when, and that nothing of it stays behind. */
import { jobKey, type NewJobEvent } from '@inkwell/contracts';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { startOwnRedis } from '../../../../infra/services/redis.ts';
import { noLimits, sampleJob } from '../embedded/testing/sample-job.ts';
import { openRedisStore } from './index.ts';

const cleanups: (() => unknown)[] = [];
const outcome = { state: 'completed', result: null, error: null, finishedAt: 2 } as const;
const completed: NewJobEvent = { type: 'job.completed', at: 2, outcome };

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function bench() {
  const server = await startOwnRedis();
  cleanups.push(() => server.stop());
  const store = await openRedisStore({ url: server.url, prefix: 'p:', retentionMs: 86_400_000 });
  cleanups.push(() => store.close());
  const redis = new Redis(server.url);
  cleanups.push(() => redis.quit());

  /** Runs a job to its end. */
  const finish = async (id: string, finishedAt: number) => {
    const job = sampleJob('tenant', id, { metadata: { colour: 'red', '': '"' } });
    await store.jobStore.create(job, noLimits);
    await store.lease.acquire(job.key, 'worker', 60_000);
    await store.jobStore.transition(job.key, ['queued'], 'in_progress', {}, 1);
    await store.resultStream.append(job.key, 1, 0, [completed]);
    await store.jobStore.transition(job.key, ['in_progress'], 'completed', { finishedAt }, 1);
    return job.key;
  };
  return { store, redis, finish };
}

it('removes jobs that finished before the moment with all that belongs to them, and no others', async () => {
  const { store, redis, finish } = await bench();
  const keys = [];
  for (let number = 1; number <= 250; number++) keys.push(await finish(`${number}`, number));
  const waiting = sampleJob('tenant', 'waiting', { createdAt: 0 });
  await store.jobStore.create(waiting, noLimits);
  const before = await store.jobStore.counts();

  expect(await store.prune(250)).toBe(249);
  expect(await store.prune(250)).toBe(0);
  const { records } = await store.jobStore.list({ tenant: 'tenant' }, { limit: 100 });
  expect(records.map(({ id }) => id)).toEqual(['250', 'waiting']);
  expect(await store.resultStream.read(keys[0]!, 0, 10)).toEqual([]);
  expect(await store.resultStream.read(keys[249]!, 0, 10)).toHaveLength(1);

  expect(await store.prune(Number.MAX_SAFE_INTEGER)).toBe(1);
  expect(await store.jobStore.counts()).toEqual(before);
  const left = (await redis.keys('p:*')).sort();
  expect(left).toEqual(['p:counts', 'p:jobs:queued:tenant', 'p:queued', 'p:unpublished', `p:{${waiting.key}}:job`]);
});

it('removes by itself what is older than the retention, whichever process gets the turn', async () => {
  const { store, redis, finish } = await bench();
  const dayMs = 86_400_000;
  const old = await finish('old', Date.now() - dayMs - 60_000);
  const young = await finish('young', Date.now() - dayMs + 600_000);
  const { host, port } = redis.options;
  const options = { url: `redis://${host}:${port}`, prefix: 'p:', retentionMs: dayMs, sweepEveryMs: 50 };
  const sweepers = await Promise.all([openRedisStore(options), openRedisStore(options)]);
  cleanups.push(() => Promise.all(sweepers.map((sweeper) => sweeper.close())));
  await expect.poll(() => store.jobStore.get(old)).toBeUndefined();
  expect(await store.resultStream.read(old, 0, 10)).toEqual([]);
  expect(await store.jobStore.get(young)).toMatchObject({ state: 'completed' });
});

it('lets nobody write for a job that was removed', async () => {
  const { store, finish } = await bench();
  const key = await finish('gone', 1);
  await store.prune(2);
  expect(await store.resultStream.append(key, 1, 1, [completed])).toBe('stale');
  expect(await store.jobStore.transition(key, ['completed'], 'completed', {}, 9)).toBe('conflict');
  expect(await store.jobStore.get(key)).toBeUndefined();
});

it('keeps what has a record until it is pruned, and forgets by itself what has none', async () => {
  const { store, redis } = await bench();
  const refused = jobKey('tenant', 'refused');
  await store.resultStream.append(refused, 0, 0, [{ type: 'job.queued', at: 1 }]);
  for (const name of [`p:{${refused}}:events`]) expect(await redis.pttl(name)).toBeGreaterThan(86_000_000);
  await store.lease.acquire(refused, 'worker', 1000);
  expect(await redis.pttl(`p:{${refused}}:job`)).toBeGreaterThan(86_000_000);
  await store.jobStore.create(sampleJob('tenant', 'refused'), noLimits);
  await store.lease.renew(refused, 1, 1000);
  await store.resultStream.append(refused, 1, 1, [completed]);
  for (const name of ['job', 'events']) expect(await redis.pttl(`p:{${refused}}:${name}`)).toBe(-1);
});

it('refuses new jobs when the memory is full, and prune makes room', async () => {
  const { store, redis, finish } = await bench();
  await finish('old', 1);
  await redis.config('SET', 'maxmemory', '1mb');
  const refused = store.jobStore.create(sampleJob('tenant', 'new'), noLimits);
  await expect(refused).rejects.toMatchObject({ code: 'dependency_unavailable' });
  expect(await store.prune(2)).toBe(1);
  await redis.config('SET', 'maxmemory', '0');
  expect(await store.jobStore.create(sampleJob('tenant', 'new'), noLimits)).toMatchObject({ outcome: 'created' });
});
