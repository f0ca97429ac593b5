/** What the Redis adapters promise when connections break and servers die: nothing twice, nothing missing, no waiting without end. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JobEvent, type JobKey, jobKey } from '@inkwell/contracts';
import { delta, terminal } from '@inkwell/ports/conformance';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { startOwnRedis } from '../../../../infra/services/redis.ts';
import { freePort, type RunningService } from '../../../../infra/services/running-service.ts';
import { sampleJob } from '../embedded/testing/sample-job.ts';
import { openRedisStore, type RedisStore } from './index.ts';

const retentionMs = 86_400_000;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const newKey = () => jobKey('tenant', `job_${randomUUID()}`);
const completed = terminal('completed');

async function ownRedis(options?: Parameters<typeof startOwnRedis>[0]): Promise<RunningService> {
  const server = await startOwnRedis(options);
  cleanups.push(() => server.stop());
  return server;
}

async function open(url: string, deadlineMs = 10_000): Promise<RedisStore> {
  const store = await openRedisStore({ url, retentionMs, deadlineMs });
  cleanups.push(() => store.close());
  return store;
}

/** Follows from the beginning; `until` resolves when so many events were seen. */
function watch(store: RedisStore, key: JobKey, signal = new AbortController().signal) {
  const seen: JobEvent[] = [];
  let changed = Promise.withResolvers<void>();
  const ended = (async () => {
    for await (const event of store.resultStream.follow(key, 0, signal)) {
      seen.push(event);
      changed.resolve();
      changed = Promise.withResolvers();
    }
  })();
  const until = async (count: number) => {
    while (seen.length < count) await Promise.race([changed.promise, ended]);
  };
  return { seen, ended, until };
}

it('answers truly and shows every event once while connections are cut in the middle of calls', async () => {
  const server = await ownRedis();
  const store = await open(server.url);
  const knife = new Redis(server.url);
  cleanups.push(() => knife.quit());
  const key = newKey();
  const follower = watch(store, key);
  const appends: Promise<'ok' | 'stale'>[] = [];
  for (let seq = 0; seq < 300; seq++) {
    appends.push(store.resultStream.append(key, 0, seq, [seq === 299 ? completed : delta(`${seq}`)]));
    // All connections but the knife's are cut while these calls are under way.
    if (seq % 50 === 25) await Promise.all([knife.call('CLIENT', 'KILL', 'SKIPME', 'yes'), appends.at(-1)]);
  }
  expect(new Set(await Promise.all(appends))).toEqual(new Set(['ok']));
  await follower.ended;
  expect(follower.seen.map(({ seq }) => seq)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
});

it('tells every end to who waits for it while connections are cut, whether it was asked before or after the job was made', async () => {
  const server = await ownRedis();
  const store = await open(server.url);
  const knife = new Redis(server.url);
  cleanups.push(() => knife.quit());
  const never = new AbortController().signal;
  const limits = { maxQueued: 1_000, maxQueuedPerTenant: 1_000 };
  for (let round = 0; round < 20; round++) {
    const jobs = Array.from({ length: 10 }, () => sampleJob('acme', `job_${randomUUID()}`));
    const cut = () => knife.call('CLIENT', 'KILL', 'SKIPME', 'yes');
    const ends = jobs.map(async (job, index) => {
      if (index % 2 === 0) await store.jobSteps.accept(job, limits, 'end');
      return store.resultStream.awaitEnd(job.key, never);
    });
    await cut();
    const written = jobs.map(async (job, index) => {
      await store.jobSteps.accept(job, limits);
      if (index === 5) await cut();
      await store.resultStream.append(job.key, 0, 1, [completed]);
    });
    await Promise.all([...written, cut()]);
    expect(await Promise.all(ends)).toEqual(jobs.map(() => ({ ...completed, seq: 2 })));
  }
});

it('takes a lease and a claim once each, also when the answer was lost with the connection', async () => {
  const server = await ownRedis();
  const store = await open(server.url);
  const knife = new Redis(server.url);
  cleanups.push(() => knife.quit());
  for (let round = 0; round < 20; round++) {
    const key = newKey();
    const claim = {
      tenant: 'tenant',
      key,
      requestHash: 'a'.repeat(64),
      resourceId: 'job_1',
      claimTtlMs: 60_000,
      retentionMs,
    };
    const [lease, begun] = await Promise.all([
      store.lease.acquire(key, 'worker', 60_000),
      store.idempotencyStore.begin(claim),
      knife.call('CLIENT', 'KILL', 'SKIPME', 'yes'),
    ]);
    expect(lease).toEqual({ fence: 1 });
    expect(begun).toEqual({ outcome: 'begin', resourceId: 'job_1', resumed: false });
  }
});

it('loses nothing acknowledged when Redis is killed and comes back (appendfsync always), and followers go on', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-redis-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const port = await freePort();
  const first = await ownRedis({ directory, port, appendFsync: 'always' });
  const store = await open(first.url, 30_000);
  const [key, leased] = [newKey(), newKey()];
  const follower = watch(store, key);
  const fence = await store.lease.acquire(leased, 'worker', 600_000);
  for (let seq = 0; seq < 100; seq++) expect(await store.resultStream.append(key, 0, seq, [delta('a')])).toBe('ok');
  await follower.until(100);
  await first.kill();
  const meanwhile = store.resultStream.append(key, 0, 100, [delta('while it is down')]);
  await ownRedis({ directory, port, appendFsync: 'always' });
  expect(await meanwhile).toBe('ok');
  expect(await store.resultStream.append(key, 0, 101, [completed])).toBe('ok');
  await follower.ended;
  expect(follower.seen.map(({ seq }) => seq)).toEqual(Array.from({ length: 102 }, (_, index) => index + 1));
  expect(await store.lease.acquire(leased, 'another', 1000)).toBe('held');
  expect(fence).toEqual({ fence: 1 });
});

it('says that Redis is not available when the deadline passes, and works again when it is back', async () => {
  const port = await freePort();
  const first = await ownRedis({ port });
  const store = await open(first.url, 300);
  await first.kill();
  const unavailable = { code: 'dependency_unavailable', retryAfterSeconds: 5 };
  await expect(store.lease.acquire(newKey(), 'worker', 1000)).rejects.toMatchObject(unavailable);
  await expect(store.resultStream.read(newKey(), 0, 1)).rejects.toMatchObject(unavailable);
  await expect(watch(store, newKey()).ended).rejects.toMatchObject(unavailable);
  await expect(store.resultStream.awaitEnd(newKey(), new AbortController().signal)).rejects.toMatchObject(unavailable);
  await ownRedis({ port });
  await expect.poll(() => store.lease.acquire(newKey(), 'worker', 1000).catch(() => 'not yet')).toEqual({ fence: 1 });
});

it('lets a follower go at once that is aborted while Redis is away, and closes without waiting for Redis', async () => {
  const server = await ownRedis();
  const store = await open(server.url, 600_000);
  await server.kill();
  const controller = new AbortController();
  const follower = watch(store, newKey(), controller.signal);
  const waiting = store.resultStream.awaitEnd(newKey(), controller.signal);
  controller.abort();
  await follower.ended;
  expect(await waiting).toBeUndefined();
  await store.close();
});

it('ends followers and refuses calls with `shutting_down` once closed', async () => {
  const store = await open((await ownRedis()).url);
  const key = newKey();
  await store.resultStream.append(key, 0, 0, [delta('a')]);
  const follower = watch(store, key);
  await follower.until(1);
  const waiting = store.resultStream.awaitEnd(key, new AbortController().signal);
  const ended = [follower.ended, waiting].map((one) => expect(one).rejects.toMatchObject({ code: 'shutting_down' }));
  await store.close();
  await Promise.all(ended);
  await expect(store.resultStream.last(key)).rejects.toMatchObject({ code: 'shutting_down' });
});

it('keeps story and fence for the retention after the last write, and no longer', async () => {
  const server = await ownRedis();
  const store = await open(server.url);
  const key = newKey();
  await store.lease.acquire(key, 'worker', 1000);
  await store.resultStream.append(key, 1, 0, [completed]);
  const redis = new Redis(server.url);
  cleanups.push(() => redis.quit());
  const names = await redis.keys('*{*');
  expect(names).toHaveLength(2);
  for (const name of names) {
    const leftMs = await redis.pttl(name);
    expect(leftMs).toBeGreaterThan(retentionMs - 60_000);
    expect(leftMs).toBeLessThanOrEqual(retentionMs);
  }
});

it('refuses a Redis that may throw away what was acknowledged', async () => {
  const server = await ownRedis();
  const redis = new Redis(server.url);
  cleanups.push(() => redis.quit());
  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
  await expect(openRedisStore({ url: server.url, retentionMs })).rejects.toThrow(/allkeys-lru.*noeviction/);
});

it('says where it looked when there is no Redis, and never the password', async () => {
  const url = `redis://user:secret@127.0.0.1:${await freePort()}`;
  const opening = openRedisStore({ url, retentionMs, deadlineMs: 300 });
  await expect(opening).rejects.toThrow(/Redis at 127\.0\.0\.1:\d+ cannot be used.*REDIS_URL/);
  await expect(opening).rejects.not.toThrow(/secret/);
});

it('refuses to keep events for less than a day', async () => {
  await expect(openRedisStore({ url: 'redis://127.0.0.1', retentionMs: 3_600_000 })).rejects.toThrow(/24 hours/);
});
