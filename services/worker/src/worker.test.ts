import { foldEvents, isTerminalEvent, type JobEvent, type JobRecord, toJobMessage } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { Bench, bytesOf } from './testing/bench.ts';

/** Cancels as the gateway does. */
async function cancel(bench: Bench, job: JobRecord, announce: boolean): Promise<void> {
  const { lease, resultStream, jobStore, jobBus } = bench.store;
  const { fence } = await lease.seize(job.key, 'gateway', 5000);
  const story = await resultStream.read(job.key, 0, 10_000);
  const outcome = {
    state: 'cancelled' as const,
    result: foldEvents(job.spec, story).result,
    error: null,
    finishedAt: Date.now(),
  };
  const event = { type: 'job.cancelled' as const, at: outcome.finishedAt, outcome };
  expect(await resultStream.append(job.key, fence, story.at(-1)!.seq, [event])).toBe('ok');
  await jobStore.transition(job.key, ['queued', 'in_progress'], 'cancelled', { finishedAt: outcome.finishedAt }, fence);
  await lease.release(job.key, fence);
  if (announce) await jobBus.announceCancel(job.key);
}

const isDelta = (event: JobEvent): boolean => event.type === 'job.delta';

describe('worker', () => {
  it('runs a job to its end: one story without a gap, one terminal event, record and stream agree', async () => {
    await using bench = await Bench.open();
    const worker = await bench.startWorker();
    const job = await bench.submit({ spec: { maxTokens: 20, n: 2 } });
    const story = await bench.story(job.key);
    expect(story.map((event) => event.seq)).toEqual(story.map((_, i) => i + 1));
    expect(story.map((event) => event.type).filter((type) => type !== 'job.delta')).toEqual([
      'job.queued',
      'job.started',
      'job.completed',
    ]);
    const last = story.at(-1)!;
    if (!isTerminalEvent(last)) throw new Error('no terminal event');
    expect(last.outcome.result).toEqual(foldEvents(job.spec, story).result);
    expect(last.outcome.result?.usage.completion_tokens).toBe(40);
    await bench.eventually(
      'the record follows',
      async () => (await bench.store.jobStore.get(job.key))?.state === 'completed',
    );
    const record = await bench.store.jobStore.get(job.key);
    expect(record).toMatchObject({ attempts: 1, result: last.outcome.result, finishedAt: last.outcome.finishedAt });
    await bench.eventually('the worker is idle', () => worker.stats().runningJobs === 0);
    expect(worker.stats()).toMatchObject({ ready: true, queuedJobs: 0 });
    expect(worker.stats().tokensPerSecond).toBeGreaterThan(0);
    expect(worker.stats().jobsPerSecond).toBeGreaterThan(0);
  });

  it('serves urgent classes first and, inside a class, a small tenant beside one with a long queue', async () => {
    await using bench = await Bench.open();
    const started: string[] = [];
    const spec = { maxTokens: 4 };
    const big: JobRecord[] = [];
    for (let i = 0; i < 60; i++) big.push(await bench.submit({ tenant: 'big', spec }));
    const late = await bench.submit({ tenant: 'big', priority: 'batch', spec });
    const small = await bench.submit({ tenant: 'small', spec });
    const urgent = await bench.submit({ tenant: 'big', priority: 'interactive', spec });
    await bench.startWorker({
      engine: { maxSequences: 1 },
      limits: { quantumTokens: 40 },
      onSubmit: (key) => started.push(key),
    });
    await Promise.all([...big, late, small, urgent].map((job) => bench.story(job.key)));
    expect(started.indexOf(urgent.key)).toBeLessThanOrEqual(1);
    expect(started.indexOf(small.key)).toBeLessThanOrEqual(5);
    expect(started.at(-1)).toBe(late.key);
    expect(started.filter((key) => big.some((job) => job.key === key))).toEqual(big.map((job) => job.key));
  });

  it('drops a running job when a cancel is announced: its slot goes to the next, nothing follows in its story', async () => {
    await using bench = await Bench.open();
    const { resultStream } = bench.ports;
    let cancelled = '';
    // It cannot learn of the cancel otherwise: its writes get no answer, and its lease needs no renewal for long.
    const append: typeof resultStream.append = (key, ...rest) =>
      key === cancelled ? new Promise(() => {}) : resultStream.append(key, ...rest);
    const worker = await bench.startWorker({
      engine: { maxSequences: 1, nullPaceMs: 5 },
      ports: { resultStream: { ...resultStream, append } },
      limits: { leaseTtlMs: 600_000 },
    });
    const running = await bench.submit({ spec: { maxTokens: 230 } });
    await bench.until(running.key, isDelta);
    const next = await bench.submit({ spec: { maxTokens: 3 } });
    cancelled = running.key;
    await cancel(bench, running, true);
    expect((await bench.ending(next.key)).type).toBe('job.completed');
    expect((await bench.story(running.key)).filter(isTerminalEvent)).toHaveLength(1);
    expect((await bench.ending(running.key)).type).toBe('job.cancelled');
    await bench.eventually('the worker is idle', () => worker.stats().runningJobs === 0);
  });

  it('learns of a cancel it was not told of from the refused write', async () => {
    await using bench = await Bench.open();
    const worker = await bench.startWorker({ engine: { nullPaceMs: 5 } });
    const job = await bench.submit({ spec: { maxTokens: 200 } });
    await bench.until(job.key, isDelta);
    await cancel(bench, job, false);
    await bench.eventually('the job is dropped', () => worker.stats().runningJobs === 0);
    expect((await bench.ending(job.key)).type).toBe('job.cancelled');
  });

  it('finishes a job whose canceller died after taking the lease', async () => {
    await using bench = await Bench.open();
    await bench.startWorker({ engine: { nullPaceMs: 5 }, limits: { leaseTtlMs: 300 } });
    const job = await bench.submit({ spec: { maxTokens: 60 } });
    await bench.until(job.key, isDelta);
    await bench.store.lease.seize(job.key, 'gateway', 300);
    const end = await bench.ending(job.key);
    expect(end.type).toBe('job.completed');
    expect(end.outcome.result?.usage.completion_tokens).toBe(60);
  });

  it('loses to a cancel that comes first by a hair, even if the canceller then dies: record and story agree', async () => {
    await using bench = await Bench.open();
    const { jobSteps, resultStream, lease } = bench.ports;
    const finish: typeof jobSteps.finish = async (key, last) => {
      const newer = await lease.seize(key, 'gateway', 300);
      const outcome = { state: 'cancelled' as const, result: null, error: null, finishedAt: 1 };
      await resultStream.append(key, newer.fence, last.afterSeq, [{ type: 'job.cancelled', at: 1, outcome }]);
      return jobSteps.finish(key, last);
    };
    await bench.startWorker({ ports: { jobSteps: { ...jobSteps, finish } }, limits: { leaseTtlMs: 300 } });
    const job = await bench.submit({ spec: { maxTokens: 4 } });
    expect((await bench.ending(job.key)).type).toBe('job.cancelled');
    const state = async () => (await bench.store.jobStore.get(job.key))?.state;
    await bench.eventually('the record is moved', async () => (await state()) !== 'in_progress');
    expect(await state()).toBe('cancelled');
  });

  it('never starts a queued job that was cancelled', async () => {
    await using bench = await Bench.open();
    const started: string[] = [];
    const worker = await bench.startWorker({
      engine: { maxSequences: 1, nullPaceMs: 5 },
      onSubmit: (key) => started.push(key),
    });
    const running = await bench.submit({ spec: { maxTokens: 40 } });
    await bench.until(running.key, isDelta);
    const queued = await bench.submit({});
    await bench.eventually('it waits', () => worker.stats().queuedJobs === 1);
    await cancel(bench, queued, true);
    expect(worker.stats().queuedJobs).toBe(0);
    await bench.story(running.key);
    expect(started).toEqual([running.key]);
  });

  it('ends a queued job at its deadline though the engine is full, and starts none whose deadline has passed', async () => {
    await using bench = await Bench.open();
    const started: string[] = [];
    await bench.startWorker({ engine: { maxSequences: 1, nullPaceMs: 10 }, onSubmit: (key) => started.push(key) });
    const running = await bench.submit({ spec: { maxTokens: 500 } });
    await bench.until(running.key, isDelta);
    const deadlineAt = Date.now() + 150;
    const waiting = await bench.submit({ deadlineAt });
    const late = await bench.submit({ priority: 'interactive', deadlineAt: Date.now() - 1 });
    for (const job of [waiting, late]) {
      const end = await bench.ending(job.key);
      expect(end.type).toBe('job.expired');
      expect(end.outcome).toMatchObject({ result: null, error: { code: 'deadline_exceeded' } });
    }
    expect((await bench.ending(waiting.key)).at - deadlineAt).toBeLessThan(2_000);
    expect((await bench.store.resultStream.last(running.key))?.type).toBe('job.delta');
    expect(started).toEqual([running.key]);
  });

  it('ends a running job at its deadline with what it has produced', async () => {
    await using bench = await Bench.open();
    const worker = await bench.startWorker({ engine: { nullPaceMs: 10 } });
    const job = await bench.submit({ deadlineAt: Date.now() + 400, spec: { maxTokens: 200 } });
    const story = await bench.story(job.key);
    const last = story.at(-1)!;
    if (!isTerminalEvent(last)) throw new Error('no terminal event');
    expect(last.type).toBe('job.expired');
    expect(last.outcome.result).toEqual(foldEvents(job.spec, story).result);
    expect(last.outcome.result!.usage.completion_tokens).toBeGreaterThan(0);
    expect(last.outcome.result!.choices[0]!.finish_reason).toBeNull();
    await bench.eventually('the slot is free', () => worker.stats().runningJobs === 0);
  });

  it('publishes at its start what was accepted by a process that died before publishing', async () => {
    await using bench = await Bench.open();
    const orphan = await bench.accept({});
    await bench.startWorker();
    expect((await bench.ending(orphan.key)).type).toBe('job.completed');
  });

  it('keeps the best of several candidates, shows nothing before and counts every token drawn', async () => {
    await using bench = await Bench.open();
    await bench.startWorker({ engine: { backend: 'wasm' } });
    const job = await bench.submit({ spec: { n: 2, bestOf: 4, maxTokens: 6, prompts: [bytesOf('a'), bytesOf('b')] } });
    const story = await bench.story(job.key);
    expect(story.map((event) => event.type)).toEqual([
      'job.queued',
      'job.started',
      ...Array(4).fill('job.delta'),
      'job.completed',
    ]);
    expect((await bench.ending(job.key)).outcome.result?.usage).toEqual({
      prompt_tokens: 2,
      completion_tokens: 48,
      total_tokens: 50,
    });
  });

  it('fails a job the model can never run, tells why in the dead letters, and goes on', async () => {
    await using bench = await Bench.open();
    await bench.startWorker();
    const bad = await bench.submit({ spec: { prompts: [[299_999]] } });
    const good = await bench.submit({});
    expect((await bench.ending(bad.key)).outcome).toMatchObject({
      state: 'failed',
      result: null,
      error: { code: 'generation_failed' },
    });
    expect((await bench.ending(good.key)).type).toBe('job.completed');
    await bench.eventually(
      'the dead letter is there',
      async () => (await bench.store.jobBus.deadLetters(5)).length === 1,
    );
    expect((await bench.store.jobBus.deadLetters(5))[0]).toMatchObject({
      message: { key: bad.key },
      reason: /no token/,
    });
  });

  it('drains: takes nothing more, finishes what it can, hands over the rest, and the next worker continues exactly', async () => {
    await using bench = await Bench.open();
    const first = await bench.startWorker({ engine: { nullPaceMs: 10, maxSequences: 2 } });
    const short = await bench.submit({ spec: { maxTokens: 8 } });
    const long = await bench.submit({ spec: { maxTokens: 150 } });
    await bench.until(long.key, isDelta);
    const queued = await bench.submit({});
    await first.drain(300);
    expect((await bench.ending(short.key)).type).toBe('job.completed');
    expect((await bench.store.resultStream.last(long.key))?.type).toBe('job.delta');
    expect((await bench.store.jobStore.get(queued.key))?.state).toBe('queued');
    const startedAt = performance.now();
    await bench.startWorker({ limits: { leaseTtlMs: 60_000 } });
    const story = await bench.story(long.key);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(story.filter((event) => event.type === 'job.started')).toHaveLength(2);
    expect(foldEvents(long.spec, story).tokens[0]).toHaveLength(150);
    expect((await bench.ending(queued.key)).type).toBe('job.completed');
  });

  it('outlives a store that refuses: every call is tried again and no text is lost or doubled', async () => {
    await using bench = await Bench.open();
    let calls = 0;
    const hurt = { refused: 0, unanswered: 0 };
    const flaky = <T extends object>(target: T): T =>
      new Proxy(target, {
        get: (_, name) => {
          const method = Reflect.get(target, name) as (...given: unknown[]) => Promise<unknown>;
          return async (...given: unknown[]) => {
            const call = ++calls;
            if (call % 3 === 0) {
              hurt.refused++;
              throw new Error('the store is away');
            }
            const answer = await method.apply(target, given);
            if (call % 5 === 0) {
              // Carried out, but the answer is lost.
              hurt.unanswered++;
              throw new Error('the connection broke');
            }
            return answer;
          };
        },
      });
    const { jobStore, jobSteps, resultStream, lease } = bench.ports;
    await bench.startWorker({
      ports: {
        jobStore: flaky(jobStore),
        jobSteps: flaky(jobSteps),
        resultStream: flaky(resultStream),
        lease: flaky(lease),
      },
      limits: { leaseTtlMs: 500 },
    });
    const jobs = await Promise.all(Array.from({ length: 4 }, () => bench.submit({ spec: { maxTokens: 12 } })));
    for (const job of jobs) {
      const story = await bench.story(job.key);
      expect(foldEvents(job.spec, story).tokens[0]).toHaveLength(12);
      expect(story.filter(isTerminalEvent)).toHaveLength(1);
    }
    // Four begins and four endings were carried out, so at least twelve calls were made.
    expect(hurt.refused).toBeGreaterThanOrEqual(4);
    expect(hurt.unanswered).toBeGreaterThanOrEqual(2);
  });

  it('shows the first text as soon as it may, also when it was drawn before the start was on disk', async () => {
    await using bench = await Bench.open();
    const { resultStream } = bench.ports;
    const append: typeof resultStream.append = async (key, fence, afterSeq, events) => {
      if (events.some((event) => event.type === 'job.started')) await new Promise((done) => setTimeout(done, 600));
      return resultStream.append(key, fence, afterSeq, events);
    };
    await bench.startWorker({ engine: { nullPaceMs: 500 }, ports: { resultStream: { ...resultStream, append } } });
    const job = await bench.submit({ spec: { maxTokens: 3 } });
    expect(await bench.until(job.key, isDelta)).toMatchObject({ tokens: [expect.any(Number)] });
    expect((await bench.ending(job.key)).outcome.result?.usage.completion_tokens).toBe(3);
  });

  it('acknowledges a message twice published for a job that has ended', async () => {
    await using bench = await Bench.open();
    const worker = await bench.startWorker();
    const job = await bench.submit({});
    await bench.story(job.key);
    await bench.eventually('it is idle', () => worker.stats().runningJobs === 0);
    await bench.store.jobBus.publish(toJobMessage(job));
    await bench.eventually('it is idle again', () => worker.stats().queuedJobs + worker.stats().runningJobs === 0);
    expect((await bench.story(job.key)).filter(isTerminalEvent)).toHaveLength(1);
  });
});
