/** What steps that go to Redis together promise: each is taken, refused or broken for itself, whatever stands beside it. */
import type { NewJob } from '@inkwell/contracts';
import type { HandedJob } from '@inkwell/ports';
import { delta, terminal } from '@inkwell/ports/conformance';
import { describe, expect, it, vi } from 'vitest';
import { noLimits, sampleJob } from '../embedded/testing/sample-job.ts';
import type { RedisStore } from './index.ts';
import { StepLine, stepScript } from './step-line.ts';
import { ownRedis } from './testing/own-redis.ts';

const outcomeOf = (answer: PromiseSettledResult<unknown>) =>
  answer.status === 'fulfilled' ? answer.value : `failed: ${(answer.reason as Error).message}`;

/** Its sum goes into a key, so a step done twice or not at all shows. */
const add = stepScript({
  begin: 'shared = {factor = tonumber(ARGV[1])}',
  step: `
local sum = 0
for index = at, last do sum = sum + ARGV[index] end
for index = key + 1, lastKey do redis.call('INCRBY', KEYS[index], sum * shared.factor) end
return {lastKey - key, sum}
`,
});

describe('steps of one turn', () => {
  it('have their own keys and arguments, in one call', async () => {
    const { redis, connect, functionCalls } = await ownRedis();
    const connection = await connect();
    const line = new StepLine({ connection, script: add, shared: 10, read: (answer) => answer });
    await line.take([], []);
    const before = await functionCalls();
    await redis.set('text', 'no number');
    const answers = await Promise.allSettled([
      line.take(['a'], [1, '2', 3]),
      line.take([], []),
      line.take(['text', 'b'], [5]),
      line.take(['a', 'b'], []),
      line.take(['a', 'b', 'c'], [7]),
      line.take(['c'], ['no number']),
    ]);
    expect(answers.map(outcomeOf)).toEqual([
      [1, 6],
      [0, 0],
      expect.stringContaining('not an integer'),
      [2, 0],
      [3, 7],
      expect.stringContaining('failed'),
    ]);
    expect((await functionCalls()) - before).toBe(1);
    expect(await redis.mget('a', 'b', 'c')).toEqual(['130', '70', '70']);
  });

  it('are several calls when they are very many or very long', async () => {
    const { redis, connect, functionCalls } = await ownRedis();
    const connection = await connect();
    const line = new StepLine({ connection, script: add, shared: 1, read: (answer) => answer });
    await line.take([], []);
    const before = await functionCalls();
    await Promise.all(Array.from({ length: 300 }, () => line.take(['many'], [1])));
    const between = await functionCalls();
    await Promise.all(Array.from({ length: 3 }, () => line.take(['long'], ['1'.padStart(200_000, '0')])));
    expect([between - before, (await functionCalls()) - between]).toEqual([3, 2]);
    expect(await redis.mget('many', 'long')).toEqual(['300', '3']);
  });

  it('fail with their call', async () => {
    const { connect } = await ownRedis();
    const connection = await connect();
    const line = new StepLine({ connection, script: add, shared: 1, read: (answer) => answer });
    await line.take([], []);
    const answers = Promise.allSettled([line.take(['a'], [1]), line.take(['b'], [1])]);
    await connection.close();
    expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('jobs of one turn', () => {
  it('are made in one call, each by its own limits and with its own metadata', async () => {
    const { redis, openStore, functionCalls } = await ownRedis();
    const store = await openStore();
    const [plain, tagged, broken, full, again] = [
      sampleJob('acme', 'plain'),
      sampleJob('acme', 'tagged', { metadata: { run: '7', kind: 'nightly' } }),
      sampleJob('acme', 'broken'),
      sampleJob('small', 'full'),
      sampleJob('acme', 'again', { createdAt: 5 }),
    ] as [NewJob, NewJob, NewJob, NewJob, NewJob];
    await store.jobSteps.accept(again, noLimits);
    const name = (await redis.keys('*again*:job'))[0]!.replace('again', 'broken');
    await redis.set(name, 'no hash');
    const before = await functionCalls();
    const answers = await Promise.allSettled([
      store.jobSteps.accept(plain, noLimits),
      store.jobSteps.accept(tagged, noLimits),
      store.jobSteps.accept(broken, noLimits),
      store.jobSteps.accept(full, { maxQueued: 100, maxQueuedPerTenant: 0 }),
      store.jobSteps.accept({ ...again, createdAt: 6 }, noLimits),
    ]);
    expect(answers.map(outcomeOf)).toEqual([
      { outcome: 'created', record: expect.objectContaining({ id: 'plain', ordinal: 2 }) },
      { outcome: 'created', record: expect.objectContaining({ id: 'tagged', ordinal: 3 }) },
      expect.stringContaining('WRONGTYPE'),
      { outcome: 'full', scope: 'tenant', queued: 0 },
      { outcome: 'exists', record: expect.objectContaining({ id: 'again', createdAt: 5 }) },
    ]);
    expect((await functionCalls()) - before).toBe(1);
    const found = await store.jobStore.list({ tenant: 'acme', metadata: { run: '7', kind: 'nightly' } }, { limit: 9 });
    expect(found.records.map(({ id }) => id)).toEqual(['tagged']);
  });

  it('are handed over as far as there are places, and each worker hears of its own', async () => {
    const { redis, openStore, functionCalls } = await ownRedis();
    const store = await openStore();
    const heard = new Map<string, string[]>();
    const offer = async ({ handoff }: RedisStore, workerId: string, places: number) => {
      const ids: string[] = [];
      heard.set(workerId, ids);
      const onJob = ({ record }: HandedJob) => void ids.push(record.id);
      const offered = await handoff.receive({ workerId, offerTtlMs: 60_000, leaseTtlMs: 60_000, onJob });
      await offered.offer(places);
      return offered;
    };
    await store.jobSteps.accept(sampleJob('acme', 'first'), noLimits);
    const gone = await openStore();
    await offer(gone, 'gone', 9);
    await gone.close();
    const offers = [await offer(store, 'large', 3), await offer(store, 'small', 2)];
    const jobs = Array.from({ length: 7 }, (_, index) => sampleJob('acme', `${index}`));
    const before = await functionCalls();
    const answers = await Promise.all(jobs.map((job) => store.jobSteps.accept(job, noLimits)));
    expect((await functionCalls()) - before).toBe(1);
    const states = answers.map((answer) => (answer.outcome === 'created' ? answer.record.state : answer.outcome));
    expect(states).toEqual([...Array(5).fill('in_progress'), 'queued', 'queued']);
    await vi.waitUntil(() => offers.every(({ open }) => open === 0), { timeout: 30_000 });
    expect(heard.get('gone')).toEqual([]);
    expect([heard.get('large')?.length, heard.get('small')?.length]).toEqual([3, 2]);
    expect([...heard.values()].flat().toSorted()).toEqual(['0', '1', '2', '3', '4']);
    expect((await store.jobStore.counts()).inProgress).toBe(5);
    expect(await redis.zrange('inkwell:places', '0', '-1', 'WITHSCORES')).toEqual(['large', '0', 'small', '0']);
    expect(await redis.zcard('inkwell:leases')).toBe(5);
  });

  it('end in one call, each by its own fence and place', async () => {
    const { openStore, functionCalls } = await ownRedis();
    const store = await openStore();
    const jobs = ['ends', 'behind', 'lost'].map((id) => sampleJob('acme', id));
    const [ends, behind, lost] = jobs.map(({ key }) => key) as [NewJob['key'], NewJob['key'], NewJob['key']];
    for (const job of jobs) {
      await store.jobSteps.accept(job, noLimits);
      await store.jobSteps.begin(job.key, 'worker', 60_000, { at: 1, worker: 'worker' });
    }
    const events = [delta('text'), terminal('completed')];
    const end = { fence: 1, afterSeq: 2, events, state: 'completed', patch: { finishedAt: 9 } } as const;
    expect(await store.jobSteps.finish(ends, { ...end, fence: 9 })).toBe('stale');
    const before = await functionCalls();
    const answers = await Promise.all([
      store.jobSteps.finish(behind, { ...end, afterSeq: 1 }),
      store.jobSteps.finish(ends, end),
      store.jobSteps.finish(lost, { ...end, fence: 2 }),
      store.jobSteps.finish(behind, { ...end, afterSeq: 3 }),
    ]);
    expect(answers).toEqual(['stale', 'ok', 'stale', 'stale']);
    expect((await functionCalls()) - before).toBe(1);
    const states = await Promise.all([ends, behind, lost].map(async (key) => (await store.jobStore.get(key))?.state));
    expect(states).toEqual(['completed', 'in_progress', 'in_progress']);
    const lengths = [ends, behind, lost].map(async (key) => (await store.resultStream.read(key, 0, 10)).length);
    expect(await Promise.all(lengths)).toEqual([4, 2, 2]);
  });
});
