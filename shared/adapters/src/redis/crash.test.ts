/**
 * Redis is killed with SIGKILL and comes back, and connections are cut, while random work of every port goes on. Nothing that was acknowledged
 * may be missing afterwards, nothing done twice, and the counts equal a recount of the jobs.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JobKey, type JobState, type NewJobEvent, priorities } from '@inkwell/contracts';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { startOwnRedis } from '../../../../infra/services/redis.ts';
import { freePort, type RunningService } from '../../../../infra/services/running-service.ts';
import { allJobs, recount } from '../embedded/testing/recount.ts';
import { noLimits, sampleJob } from '../embedded/testing/sample-job.ts';
import { SeededRandom } from '../embedded/testing/seeded-random.ts';
import { openRedisStore, type RedisStore } from './index.ts';

const tenants = ['red', 'green', 'blue'] as const;
const lanes = 16;
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What was acknowledged of a job. */
interface Acknowledged {
  state: JobState;
  seq: number;
  fence: number;
  ordinal: number;
  seen: number[];
}

it.each([1, 2, 3])('loses nothing acknowledged and counts exactly (seed %i)', async (seed) => {
  const server = await killableRedis();
  const [store, other] = [await open(server.url), await open(server.url)];
  const random = new SeededRandom(seed);
  const jobs = new Map<JobKey, Acknowledged>();
  const work = new RandomWork(store, other, random, jobs);
  const running = work.run();
  for (let round = 0; round < 3; round++) {
    await work.untilDone(jobs.size + random.between(20, 60));
    if (round === 1) await cutConnections(server.url);
    else await server.killAndStart();
  }
  await work.untilDone(jobs.size + 20);
  work.stop();
  await running;

  const found = (await Promise.all(tenants.map((tenant) => allJobs(store.jobStore, tenant)))).flat();
  expect(new Set(found.map(({ key }) => key))).toEqual(new Set(jobs.keys()));
  expect(found).toHaveLength(jobs.size);
  expect(await store.jobStore.counts()).toEqual(recount(found));
  for (const priority of priorities) {
    const ordinals = found.filter((job) => job.priority === priority).map(({ ordinal }) => ordinal);
    expect(ordinals.sort((left, right) => left - right)).toEqual(upTo(ordinals.length));
  }
  for (const [key, acknowledged] of jobs) {
    const record = await store.jobStore.get(key);
    expect(record).toMatchObject({ state: acknowledged.state, ordinal: acknowledged.ordinal });
    const story = await store.resultStream.read(key, 0, 1000);
    expect(story.map(({ seq }) => seq)).toEqual(upTo(acknowledged.seq));
    if (acknowledged.state === 'completed') expect(acknowledged.seen).toEqual(upTo(acknowledged.seq));
    expect(await store.lease.seize(key, 'auditor', 1000)).toEqual({ fence: acknowledged.fence + 1 });
  }
});

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** Lives of jobs, many at a time, until stopped; every promise kept is written down after it was kept. */
class RandomWork {
  readonly #store: RedisStore;
  readonly #other: RedisStore;
  readonly #random: SeededRandom;
  readonly #jobs: Map<JobKey, Acknowledged>;
  #stopped = false;
  #changed = Promise.withResolvers<void>();
  #lastId = 0;

  constructor(store: RedisStore, other: RedisStore, random: SeededRandom, jobs: Map<JobKey, Acknowledged>) {
    this.#store = store;
    this.#other = other;
    this.#random = random;
    this.#jobs = jobs;
  }

  async run(): Promise<void> {
    const lane = async () => {
      while (!this.#stopped) await this.#live(`${++this.#lastId}`);
    };
    try {
      await Promise.all(Array.from({ length: lanes }, lane));
    } catch (error) {
      this.#changed.reject(error);
      throw error;
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async untilDone(count: number): Promise<void> {
    while (this.#jobs.size < count) await this.#changed.promise;
  }

  async #live(id: string): Promise<void> {
    const random = this.#random;
    const metadata: Record<string, string> = random.next() < 0.3 ? { colour: random.pick(tenants) } : {};
    const job = sampleJob(random.pick(tenants), id, { priority: random.pick(priorities), metadata });
    const { key } = job;
    const { jobStore, resultStream, lease } = this.#store;
    const [created, begun] = await Promise.all([
      jobStore.create(job, noLimits),
      resultStream.append(key, 0, 0, [{ type: 'job.queued', at: 1 }]),
    ]);
    if (created.outcome !== 'created' || begun !== 'ok') throw new Error(`${key}: ${created.outcome}, ${begun}`);
    const { ordinal } = created.record;
    const acknowledged: Acknowledged = { state: 'queued', seq: 1, fence: 0, ordinal, seen: [] };
    this.#jobs.set(key, acknowledged);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
    if (random.next() < 0.2) return;
    const following = this.#follow(key, acknowledged.seen);
    const taken = await lease.acquire(key, 'worker', 600_000);
    if (taken === 'held') throw new Error(`${key} is held by a rival`);
    const { fence } = taken;
    acknowledged.fence = fence;
    await this.#move(key, acknowledged, ['queued'], 'in_progress');
    for (let rounds = random.between(0, 5); rounds > 0; rounds--) {
      await this.#append(key, acknowledged, upTo(random.between(1, 4)).map(String).map(delta));
    }
    const outcome = { state: 'completed', result: null, error: null, finishedAt: 2 } as const;
    await this.#append(key, acknowledged, [{ type: 'job.completed', at: 2, outcome }]);
    await this.#move(key, acknowledged, ['in_progress'], 'completed');
    await lease.release(key, fence);
    await following;
  }

  async #follow(key: JobKey, seen: number[]): Promise<void> {
    for await (const { seq } of this.#other.resultStream.follow(key, 0, new AbortController().signal)) seen.push(seq);
  }

  async #append(key: JobKey, acknowledged: Acknowledged, events: NewJobEvent[]): Promise<void> {
    const { fence, seq } = acknowledged;
    const answer = await this.#store.resultStream.append(key, fence, seq, events);
    if (answer !== 'ok') throw new Error(`${key} after ${seq}: ${answer}`);
    acknowledged.seq += events.length;
  }

  async #move(key: JobKey, acknowledged: Acknowledged, from: JobState[], to: JobState): Promise<void> {
    const moved = await this.#store.jobStore.transition(key, from, to, {}, acknowledged.fence);
    if (moved === 'conflict') throw new Error(`${key} to ${to}: conflict`);
    acknowledged.state = to;
  }
}

function delta(text: string): NewJobEvent {
  return { type: 'job.delta', at: 1, index: 0, delta: text, tokens: [1], logprobs: null, finishReason: null };
}

async function open(url: string): Promise<RedisStore> {
  const store = await openRedisStore({ url, retentionMs: 86_400_000, deadlineMs: 30_000 });
  cleanups.push(() => store.close());
  return store;
}

/** A Redis that syncs before it answers, and comes back with what it had at the same place. */
async function killableRedis() {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-redis-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const options = { directory, port: await freePort(), appendFsync: 'always' } as const;
  let server: RunningService = await startOwnRedis(options);
  cleanups.push(() => server.stop());
  return {
    url: server.url,
    async killAndStart() {
      await server.kill();
      server = await startOwnRedis(options);
    },
  };
}

async function cutConnections(url: string): Promise<void> {
  const knife = new Redis(url);
  for (let cut = 0; cut < 5; cut++) await knife.call('CLIENT', 'KILL', 'SKIPME', 'yes');
  await knife.quit();
}
