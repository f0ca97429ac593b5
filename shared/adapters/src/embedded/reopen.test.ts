/** What a store that is opened again knows: everything that was kept, and that whoever held something is gone. */

import { type JobKey, jobKey, toJobMessage } from '@inkwell/contracts';
import type { Delivery } from '@inkwell/ports';
import { expect, it } from 'vitest';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { sampleJob } from './testing/sample-job.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();
const clock = { now: () => 1000 };
const key = jobKey('t', '1');
const publish = (store: EmbeddedStore, id: string) => store.jobBus.publish(toJobMessage(sampleJob('t', id)));

async function reopen(store: EmbeddedStore, directory: string): Promise<EmbeddedStore> {
  await store.close();
  return bench.closeLater(await openEmbeddedStore({ directory, clock }));
}

async function open(): Promise<{ store: EmbeddedStore; directory: string }> {
  const directory = await bench.directory();
  return { store: bench.closeLater(await openEmbeddedStore({ directory, clock })), directory };
}

async function consume(store: EmbeddedStore): Promise<Map<JobKey, Delivery>> {
  const deliveries = new Map<JobKey, Delivery>();
  await store.jobBus.consume({
    workerId: 'w',
    onDelivery: (delivery) => deliveries.set(delivery.message.key, delivery),
    onTakenBack: () => undefined,
    onCancel: () => undefined,
    signal: new AbortController().signal,
  });
  return deliveries;
}

it('takes no lease for held, and goes on counting fences', async () => {
  const { store, directory } = await open();
  await store.lease.acquire(key, 'a', 60_000);
  const again = await reopen(store, directory);
  expect(await again.lease.acquire(key, 'b', 60_000)).toEqual({ fence: 2 });
  expect(await again.resultStream.append(key, 1, 0, [{ type: 'job.queued', at: 1 }])).toBe('stale');
});

it('lets an unanswered request be taken up again at once, with its resource', async () => {
  const { store, directory } = await open();
  const claim = {
    tenant: 't',
    key: 'k',
    requestHash: 'h',
    resourceId: 'job_1',
    claimTtlMs: 60_000,
    retentionMs: 60_000,
  };
  await store.idempotencyStore.begin(claim);
  await store.idempotencyStore.begin({ ...claim, key: 'answered' });
  const response = { status: 202, headers: {}, body: 'b' };
  await store.idempotencyStore.finish('t', 'answered', response);
  const { idempotencyStore } = await reopen(store, directory);
  const repeat = { ...claim, resourceId: 'job_2' };
  expect(await idempotencyStore.begin(repeat)).toEqual({ outcome: 'begin', resourceId: 'job_1', resumed: true });
  expect(await idempotencyStore.begin(repeat)).toEqual({ outcome: 'in_progress', resourceId: 'job_1' });
  expect(await idempotencyStore.begin({ ...repeat, key: 'answered' })).toMatchObject({ outcome: 'replay', response });
});

it('delivers what was not acknowledged: attempt 1 if nobody had it, one more if somebody did', async () => {
  const { store, directory } = await open();
  for (const id of ['waited', 'held', 'retried', 'acked', 'dead']) await publish(store, id);
  await store.close();

  const second = bench.closeLater(await openEmbeddedStore({ directory, clock }));
  const deliveries = await consume(second);
  expect([...deliveries.values()].map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1, 1]);
  await deliveries.get(jobKey('t', 'acked'))!.ack();
  await deliveries.get(jobKey('t', 'dead'))!.deadLetter('poison');
  await deliveries.get(jobKey('t', 'retried'))!.retry('later', 3_600_000);
  await publish(second, 'at-once');

  const third = await reopen(second, directory);
  await publish(third, 'held');
  await publish(third, 'fresh');
  const attempts = [...(await consume(third)).values()].map(({ message, attempt }) => [message.key, attempt]);
  expect(Object.fromEntries(attempts)).toEqual({
    't:waited': 2,
    't:held': 2,
    't:retried': 2,
    't:at-once': 2,
    't:fresh': 1,
  });
  expect(await third.jobBus.deadLetters(10)).toMatchObject([{ reason: 'poison', attempts: 1 }]);
});
