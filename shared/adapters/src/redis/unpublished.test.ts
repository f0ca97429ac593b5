/** Which jobs a crash left unpublished: those nobody marked and nobody began. */
import { randomUUID } from 'node:crypto';
import type { NewJob } from '@inkwell/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis } from '../../../../infra/services/redis.ts';
import { sampleJob } from '../embedded/testing/sample-job.ts';
import { openRedisStore, type RedisStore } from './index.ts';

let server: Awaited<ReturnType<typeof startRedis>>;
let store: RedisStore;
beforeAll(async () => {
  server = await startRedis();
  store = await openRedisStore({ url: server.url, prefix: `test-${randomUUID()}:`, retentionMs: 86_400_000 });
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

const limits = { maxQueued: 1000, maxQueuedPerTenant: 1000 };
const listed = async () => (await store.jobStore.listUnpublished(Number.MAX_SAFE_INTEGER, 100)).map(({ id }) => id);

it('are listed until they are marked, begun or cancelled', async () => {
  const jobs: NewJob[] = ['marked', 'begun', 'cancelled', 'left'].map((id, createdAt) => ({
    ...sampleJob('acme', id),
    createdAt,
  }));
  for (const job of jobs) await store.jobStore.create(job, limits);
  const [marked, begun, cancelled] = jobs;
  expect(await listed()).toEqual(['marked', 'begun', 'cancelled', 'left']);
  await store.jobStore.markPublished([marked!.key]);
  await store.jobStore.markPublished([marked!.key]);
  expect(await listed()).toEqual(['begun', 'cancelled', 'left']);
  await store.jobStore.transition(begun!.key, ['queued'], 'in_progress', {}, 1);
  await store.jobStore.transition(cancelled!.key, ['queued'], 'cancelled', { finishedAt: 9 }, 1);
  expect(await listed()).toEqual(['left']);
});
