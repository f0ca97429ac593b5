import { jobKey } from '@inkwell/contracts';
import { expect, it } from 'vitest';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { noLimits, sampleJob } from './testing/sample-job.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();

async function open(nowMs = 1_000_000) {
  const time = { nowMs };
  const directory = await bench.directory();
  const store = bench.closeLater(await openEmbeddedStore({ directory, clock: { now: () => time.nowMs } }));
  return { store, time };
}

async function finished(store: EmbeddedStore, id: string, finishedAt: number): Promise<void> {
  const job = sampleJob('t', id, { metadata: { 'a"b': id } });
  const outcome = { state: 'completed', result: null, error: null, finishedAt } as const;
  await store.jobStore.create(job, noLimits);
  await store.resultStream.append(job.key, 0, 0, [{ type: 'job.queued', at: 1 }]);
  await store.lease.acquire(job.key, 'w', 1);
  await store.jobStore.transition(job.key, ['queued'], 'in_progress', {}, 1);
  await store.resultStream.append(job.key, 1, 1, [{ type: 'job.completed', at: 2, outcome }]);
  await store.jobStore.transition(job.key, ['in_progress'], 'completed', { finishedAt }, 1);
}

it('removes jobs finished before the moment, with their events and places in lists; keeps the others whole', async () => {
  const { store } = await open();
  await finished(store, 'old', 99);
  await finished(store, 'young', 100);
  await store.jobStore.create(sampleJob('t', 'waiting', { createdAt: 1 }), noLimits);
  const counts = await store.jobStore.counts();
  expect(await store.prune(100)).toBe(1);
  expect(await store.jobStore.get(jobKey('t', 'old'))).toBeUndefined();
  expect(await store.resultStream.read(jobKey('t', 'old'), 0, 10)).toEqual([]);
  expect((await store.jobStore.list({ tenant: 't', metadata: { 'a"b': 'old' } }, { limit: 10 })).records).toEqual([]);
  expect((await store.jobStore.list({ tenant: 't' }, { limit: 10 })).records).toHaveLength(2);
  expect(await store.resultStream.read(jobKey('t', 'young'), 0, 10)).toHaveLength(2);
  expect(await store.jobStore.counts()).toEqual(counts);
});

it('removes more than fits into one step', async () => {
  const { store } = await open();
  await Promise.all(Array.from({ length: 450 }, (_, index) => finished(store, `${index}`, 50)));
  expect(await store.prune(100)).toBe(450);
  expect(await store.prune(100)).toBe(0);
});

it('removes the story of a job that was refused, once no job can come to it any more', async () => {
  const { store, time } = await open();
  const job = sampleJob('t', 'refused');
  const append = () => store.resultStream.append(job.key, 0, 0, [{ type: 'job.queued', at: 1 }]);
  await Promise.all([store.jobStore.create(job, { maxQueued: 0, maxQueuedPerTenant: 0 }), append()]);
  await store.prune(0);
  expect(await store.resultStream.read(job.key, 0, 10)).toHaveLength(1);
  time.nowMs += 11 * 60 * 1000;
  await store.prune(0);
  expect(await store.resultStream.read(job.key, 0, 10)).toEqual([]);
});

it('keeps the story of a job that was refused first and created later', async () => {
  const { store, time } = await open();
  const job = sampleJob('t', 'second-try');
  await store.resultStream.append(job.key, 0, 0, [{ type: 'job.queued', at: 1 }]);
  await store.jobStore.create(job, noLimits);
  time.nowMs += 11 * 60 * 1000;
  await store.prune(0);
  expect(await store.resultStream.read(job.key, 0, 10)).toHaveLength(1);
});

it('forgets idempotency keys whose time is over', async () => {
  const { store, time } = await open();
  const claim = { tenant: 't', key: 'k', requestHash: 'h', resourceId: 'r', claimTtlMs: 1, retentionMs: 5 };
  await store.idempotencyStore.begin(claim);
  time.nowMs += 5;
  await store.prune(0);
  expect(await store.idempotencyStore.begin(claim)).toMatchObject({ outcome: 'begin', resumed: false });
});
