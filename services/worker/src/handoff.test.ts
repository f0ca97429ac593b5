/** Jobs that are handed to a worker when they are accepted: over a real Redis, with a bus that sees only what it must. */
import { randomUUID } from 'node:crypto';
import { openRedisStore, type RedisStore } from '@inkwell/adapters/redis';
import {
  foldEvents,
  isTerminalEvent,
  type JobEvent,
  type JobKey,
  type JobRecord,
  toJobMessage,
} from '@inkwell/contracts';
import type { HandedJob, Handoff } from '@inkwell/ports';
import { describe, expect, it } from 'vitest';
import { startRedis } from '../../../infra/services/redis.ts';
import type { WorkerPorts } from './context.ts';
import { Bench, type JobWish, type WorkerWish } from './testing/bench.ts';
import { crashingPorts } from './testing/crashing-ports.ts';

const noLimits = { maxQueued: 100_000, maxQueuedPerTenant: 100_000 };
const slow = { nullPaceMs: 10 };
const spec = { maxTokens: 60 };
/** No lease runs out while a test runs. */
const lasting = { leaseTtlMs: 600_000 };

class HandoffBench {
  readonly bench: Bench;
  readonly redis: RedisStore;
  readonly #stopRedis: () => Promise<void>;
  /** Jobs that were given to the bus. */
  readonly published: JobKey[] = [];

  private constructor(bench: Bench, redis: RedisStore, stopRedis: () => Promise<void>) {
    this.bench = bench;
    this.redis = redis;
    this.#stopRedis = stopRedis;
  }

  static async open(): Promise<HandoffBench> {
    const server = await startRedis();
    const prefix = `test-${randomUUID()}:`;
    const redis = await openRedisStore({ url: server.url, prefix, retentionMs: 86_400_000 });
    return new HandoffBench(await Bench.open(), redis, () => server.stop());
  }

  get ports(): WorkerPorts {
    const { jobStore, jobSteps, resultStream, lease, rateLimiter } = this.redis;
    const { jobBus, factLog } = this.bench.ports;
    const publish: typeof jobBus.publish = (message) => {
      this.published.push(message.key);
      return jobBus.publish(message);
    };
    const watched = new Proxy(jobBus, {
      get: (target, name) => {
        if (name === 'publish') return publish;
        const value = Reflect.get(target, name) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { jobBus: watched, factLog, jobStore, jobSteps, resultStream, lease, rateLimiter };
  }

  startWorker(wish: WorkerWish = {}) {
    return this.bench.startWorker({ ports: this.ports, handoff: this.redis.handoff, ...wish });
  }

  /** Once a worker has offered places. */
  async handed(wish: JobWish = {}): Promise<JobRecord> {
    let record: JobRecord | undefined;
    await this.bench.eventually('a job is handed over', async () => {
      record = await this.accept(wish);
      return record.state === 'in_progress';
    });
    return record!;
  }

  async accept(wish: JobWish = {}): Promise<JobRecord> {
    const created = await this.redis.jobSteps.accept(this.bench.newJob(wish), noLimits);
    if (created.outcome !== 'created') throw new Error(`the job was ${created.outcome}`);
    return created.record;
  }

  /** As the gateway does. */
  async submit(wish: JobWish = {}): Promise<JobRecord> {
    const record = await this.accept(wish);
    if (record.state === 'queued') await this.bench.store.jobBus.publish(toJobMessage(record));
    return record;
  }

  async story(key: JobKey): Promise<JobEvent[]> {
    const story: JobEvent[] = [];
    for await (const event of this.redis.resultStream.follow(key, 0, AbortSignal.timeout(45_000))) story.push(event);
    expect(story.map(({ seq }) => seq)).toEqual(story.map((_, index) => index + 1));
    expect(story.filter(isTerminalEvent)).toHaveLength(1);
    expect(isTerminalEvent(story.at(-1)!)).toBe(true);
    return story;
  }

  async until(key: JobKey, type: JobEvent['type']): Promise<void> {
    for await (const event of this.redis.resultStream.follow(key, 0, AbortSignal.timeout(45_000))) {
      if (event.type === type) return;
    }
    throw new Error(`${key} ended without ${type}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bench[Symbol.asyncDispose]();
    await this.redis.close();
    await this.#stopRedis();
  }
}

/** Workers hear of nothing that is handed to them while `deaf`. */
function deafHandoff(real: Handoff): { handoff: Handoff; lost: HandedJob[] } {
  const lost: HandedJob[] = [];
  const receive: Handoff['receive'] = (receiver) => real.receive({ ...receiver, onJob: (job) => lost.push(job) });
  return { lost, handoff: { ...real, receive } };
}

/** Notes what has been offered. */
function watchedHandoff(real: Handoff, offered: number[]): Handoff {
  return {
    ...real,
    async receive(receiver) {
      const offer = await real.receive(receiver);
      return {
        get open() {
          return offer.open;
        },
        async offer(places) {
          await offer.offer(places);
          offered.push(places);
        },
        close: () => offer.close(),
      };
    },
  };
}

describe('a job for which a worker has room', () => {
  it('runs there from the moment it is accepted, and the bus never hears of it', async () => {
    await using bench = await HandoffBench.open();
    await bench.startWorker();
    const jobs = [await bench.handed({ spec: { maxTokens: 3 } })];
    for (let round = 0; round < 40; round++) {
      const job = await bench.handed({ spec: { maxTokens: 3 } });
      expect((await bench.story(job.key)).map(({ type }) => type)).toEqual(
        expect.arrayContaining(['job.queued', 'job.started', 'job.completed']),
      );
      jobs.push(job);
    }
    for (const { key } of jobs) {
      await bench.bench.eventually(
        'recorded',
        async () => (await bench.redis.jobStore.get(key))?.state === 'completed',
      );
    }
    expect(bench.published).toEqual([]);
    expect(await bench.redis.lease.lapsed(100)).toEqual([]);
  });

  it('does not overtake those that wait, and none is offered while the worker rests or drains', async () => {
    await using bench = await HandoffBench.open();
    const order: JobKey[] = [];
    const offered: number[] = [];
    const worker = await bench.startWorker({
      handoff: watchedHandoff(bench.redis.handoff, offered),
      engine: { ...slow, maxSequences: 2 },
      onSubmit: (key) => order.push(key),
    });
    const first = await bench.handed({ spec });
    // There is a place beside the first, but these need two.
    const pair = await bench.submit({ spec: { n: 2, bestOf: 2, maxTokens: 20 } });
    await bench.bench.eventually('nothing is offered', () => worker.stats().queuedJobs === 1 && offered.at(-1) === 0);
    const late = await bench.submit({ spec: { maxTokens: 2 } });
    expect([pair.state, late.state]).toEqual(['queued', 'queued']);
    for (const { key } of [first, pair, late]) await bench.story(key);
    const asAccepted = [first, pair, late].map(({ key }) => key);
    expect(order.filter((key) => asAccepted.includes(key))).toEqual(asAccepted);
    await bench.handed({ spec: { maxTokens: 2 } });
    await worker.drain(10_000);
    expect((await bench.accept()).state).toBe('queued');
  });
});

describe('a job that was handed to a worker which', () => {
  it('stops: it goes over the bus to the next, in mid-sentence and at once', async () => {
    await using bench = await HandoffBench.open();
    const worker = await bench.startWorker({ engine: slow, limits: lasting });
    const whole = await bench.handed({ spec });
    const expected = foldEvents(whole.spec, await bench.story(whole.key)).result;
    const job = await bench.handed({ spec });
    await bench.until(job.key, 'job.delta');
    await worker.drain(0);
    expect(bench.published).toContain(job.key);
    await bench.startWorker({ engine: slow, limits: lasting });
    const story = await bench.story(job.key);
    expect(story.filter(({ type }) => type === 'job.started')).toHaveLength(2);
    expect(foldEvents(job.spec, story).result).toEqual(expected);
  });

  it('dies: another continues it when the lease has run out', async () => {
    await using bench = await HandoffBench.open();
    const whole = await bench.startWorker({ engine: slow });
    const model = await bench.handed({ spec });
    const expected = foldEvents(model.spec, await bench.story(model.key)).result;
    await whole.drain(0);
    const { ports, crashed } = crashingPorts(
      bench.ports,
      ({ name, arguments: given }, moment) =>
        moment === 'after' && name === 'append' && (given[3] as JobEvent[]).some(({ type }) => type === 'job.delta'),
    );
    const dying = await bench.startWorker({ engine: slow, ports });
    const job = await bench.handed({ spec });
    await crashed;
    await bench.startWorker({ engine: slow });
    const story = await bench.story(job.key);
    expect(foldEvents(job.spec, story).result).toEqual(expected);
    await bench.bench.eventually('its message is on the bus', () => bench.published.includes(job.key));
    await dying.stop();
  });

  it('dies when it has ended it, before that was told: another tells it', async () => {
    await using bench = await HandoffBench.open();
    const { ports, crashed } = crashingPorts(
      bench.ports,
      ({ name }, moment) => name === 'publish' && moment === 'before',
    );
    await bench.startWorker({ ports });
    const job = await bench.handed({ spec: { maxTokens: 2 } });
    await crashed;
    expect((await bench.redis.jobStore.get(job.key))?.state).toBe('completed');
    await bench.startWorker();
    const told = (await bench.bench.factsUntilEndOf(job.key)).filter(({ id }) => id.endsWith(job.key));
    expect(told.map(({ kind }) => kind)).toEqual(['job.ended']);
    await bench.bench.eventually(
      'its lease is given up',
      async () => (await bench.redis.lease.lapsed(10)).length === 0,
    );
  });

  it('never hears of it: another begins it when the lease has run out', async () => {
    await using bench = await HandoffBench.open();
    const { handoff, lost } = deafHandoff(bench.redis.handoff);
    await bench.startWorker({ handoff });
    const job = await bench.handed({ spec: { maxTokens: 3 } });
    const last = (await bench.story(job.key)).at(-1);
    expect(last?.type).toBe('job.completed');
    await bench.bench.eventually('it was told to deaf ears', () => lost.some(({ record }) => record.key === job.key));
  });

  it('loses every engine to it: it is among the dead letters with its reason', async () => {
    await using bench = await HandoffBench.open();
    const worker = await bench.startWorker({ engine: { nullPaceMs: 60_000 }, limits: lasting });
    const job = await bench.handed({ spec });
    const killed = new Set<number>();
    const kill = async () => {
      const { enginePid, engine, runningJobs } = worker.stats();
      if (enginePid !== null && engine !== null && runningJobs > 0 && !killed.has(enginePid)) {
        killed.add(enginePid);
        process.kill(enginePid, 'SIGKILL');
      }
      return (await bench.redis.jobStore.get(job.key))?.state === 'failed';
    };
    await bench.bench.eventually('it is given up', kill);
    expect((await bench.story(job.key)).at(-1)?.type).toBe('job.failed');
    await bench.bench.eventually('it is a dead letter', async () =>
      (await bench.bench.store.jobBus.deadLetters(10)).some(({ message }) => message.key === job.key),
    );
  });
});
