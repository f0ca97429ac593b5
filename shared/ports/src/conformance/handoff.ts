/** What every Handoff promises, together with the steps of the jobs it hands over. */
import { type JobKey, type JobRecord, toJobMessage } from '@inkwell/contracts';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { HandedJob, PlaceOffer } from '../handoff.ts';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { delta, newJob, noLimits, result, terminal } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

/** Longer than any test takes. */
const lastingMs = 60_000;
const shortMs = 400;
let workers = 0;

interface TestWorker {
  id: string;
  offer: PlaceOffer;
  jobs: HandedJob[];
  /** Resolves with the n-th job that was handed over. */
  job(n: number): Promise<HandedJob>;
}

export function handoffConformance(
  makeAdapter: MakeAdapter<'handoff' | 'jobStore' | 'jobSteps' | 'resultStream' | 'lease'>,
): void {
  describe('Handoff', () => {
    const adapter = withAdapter(makeAdapter);

    async function newWorker(
      places: number,
      { offerTtlMs = lastingMs, leaseTtlMs = lastingMs } = {},
    ): Promise<TestWorker> {
      const id = `w${process.pid}-${++workers}`;
      const jobs: HandedJob[] = [];
      let heard = Promise.withResolvers<void>();
      const offer = await adapter().handoff.receive({
        workerId: id,
        offerTtlMs,
        leaseTtlMs,
        onJob(job) {
          jobs.push(job);
          heard.resolve();
          heard = Promise.withResolvers();
        },
      });
      onTestFinished(() => offer.close());
      await offer.offer(places);
      const job = async (n: number) => {
        while (jobs.length < n) await heard.promise;
        return jobs[n - 1]!;
      };
      return { id, offer, jobs, job };
    }

    const oneText = (over: Parameters<typeof newJob>[1] = {}) => {
      const job = newJob(newTenant(), over);
      return { ...job, spec: { ...job.spec, prompts: [[1, 2, 3]] } };
    };
    const accept = async (over: Parameters<typeof newJob>[1] = {}, reading?: 'end' | 'story') => {
      const job = oneText(over);
      const answer = await adapter().jobSteps.accept(job, noLimits, reading);
      if (answer.outcome !== 'created') throw new Error(`it was ${answer.outcome}`);
      return { job, record: answer.record };
    };
    const finish = (key: JobKey, keepsLease = false) =>
      adapter().jobSteps.finish(key, {
        ...{ fence: 1, afterSeq: 2, state: 'completed', patch: { result, error: null, finishedAt: 1_700_000_009_000 } },
        events: [delta('a'), terminal('completed')],
        keepsLease,
      });
    const story = async (key: JobKey) => (await adapter().resultStream.read(key, 0, 100)).map(({ type }) => type);

    it('hands an accepted job to a worker with a free place, begun, whole and under a lease', async () => {
      const before = await adapter().jobStore.counts();
      const worker = await newWorker(1);
      const { job, record } = await accept({ metadata: { a: '1', 'ü "': '"\\\n' } });
      const begun = { ...job, state: 'in_progress', attempts: 1, startedAt: job.createdAt };
      expect(record).toMatchObject(begun);
      expect(await worker.job(1)).toEqual({ record, fence: 1 });
      expect(await adapter().jobStore.get(job.key)).toEqual(record);
      expect(await adapter().resultStream.read(job.key, 0, 10)).toEqual([
        { type: 'job.queued', at: job.createdAt, seq: 1 },
        { type: 'job.started', at: job.createdAt, attempt: 1, worker: worker.id, seq: 2 },
      ]);
      expect(await adapter().lease.acquire(job.key, 'another', shortMs)).toBe('held');
      expect(await adapter().jobStore.listUnpublished(Number.MAX_SAFE_INTEGER, 1_000)).not.toContainEqual(record);
      const page = { limit: 10 };
      for (const filter of [{ metadata: { a: '1' } }, { states: ['in_progress' as const] }]) {
        const { records } = await adapter().jobStore.list({ tenant: job.tenant, ...filter }, page);
        expect(records).toEqual([record]);
      }
      const waiting = { tenant: job.tenant, states: ['queued' as const] };
      expect((await adapter().jobStore.list(waiting, page)).records).toEqual([]);
      expect((await adapter().jobStore.counts()).inProgress - before.inProgress).toBe(1);
      expect(await finish(job.key)).toBe('ok');
      const after = await adapter().jobStore.counts();
      expect(after).toEqual(before);
    });

    it('leaves a job waiting when no place is offered, or too few for its sequences', async () => {
      const { record } = await accept();
      expect([record.state, await story(record.key)]).toEqual(['queued', ['job.queued']]);
      const worker = await newWorker(2);
      const spec = { ...newJob(newTenant()).spec, n: 3, bestOf: 3 };
      expect((await accept({ spec })).record.state).toBe('queued');
      expect((await accept({ spec: { ...spec, n: 1, bestOf: 2 } })).record.state).toBe('in_progress');
      expect((await accept()).record.state).toBe('queued');
      await worker.job(1);
      expect([worker.jobs.length, worker.offer.open]).toEqual([1, 0]);
    });

    it('hands a job over although the queue is full, and refuses it when nobody has room', async () => {
      const worker = await newWorker(1);
      const full = { maxQueued: 0, maxQueuedPerTenant: 0 };
      const [first, second] = [oneText(), oneText()];
      expect(await adapter().jobSteps.accept(first, full)).toMatchObject({ outcome: 'created' });
      expect(await adapter().jobSteps.accept(second, full)).toMatchObject({ outcome: 'full' });
      expect((await worker.job(1)).record.key).toBe(first.key);
    });

    it('leaves a job waiting whose deadline has passed: it must not start', async () => {
      const worker = await newWorker(1);
      const { createdAt } = newJob(newTenant());
      expect((await accept({ deadlineAt: createdAt })).record.state).toBe('queued');
      const { record } = await accept({ deadlineAt: createdAt + 1 });
      expect([record.state, (await worker.job(1)).record.key]).toEqual(['in_progress', record.key]);
    });

    it('gives each place away once, however many ask at the same time, and a job once, however often it is asked for', async () => {
      const team = await Promise.all([newWorker(5), newWorker(3)]);
      const jobs = Array.from({ length: 20 }, () => oneText());
      const answers = await atOnce(60, (index) => adapter().jobSteps.accept(jobs[index % 20]!, noLimits));
      const created = answers.filter(({ outcome }) => outcome === 'created') as { record: JobRecord }[];
      expect(created).toHaveLength(20);
      const running = created.map(({ record }) => record).filter(({ state }) => state === 'in_progress');
      await Promise.all([team[0]!.job(5), team[1]!.job(3)]);
      const handed = team.flatMap(({ jobs: mine }) => mine.map(({ record }) => record.key));
      expect(handed.toSorted()).toEqual(running.map(({ key }) => key).toSorted());
      expect(team.map(({ jobs: mine }) => mine.length)).toEqual([5, 3]);
    });

    it('hands the next job to whoever has most places', async () => {
      const [few, many] = await Promise.all([newWorker(1), newWorker(3)]);
      await accept();
      await accept();
      await many.job(2);
      expect(few.jobs).toEqual([]);
    });

    it('replaces an offer by the next, and takes back what is not offered any more', async () => {
      const worker = await newWorker(4);
      await accept();
      await worker.job(1);
      expect(worker.offer.open).toBe(3);
      await worker.offer.offer(1);
      expect((await accept()).record.state).toBe('in_progress');
      expect((await accept()).record.state).toBe('queued');
      await worker.offer.offer(2);
      await worker.offer.offer(0);
      expect((await accept()).record.state).toBe('queued');
      await worker.offer.offer(1);
      expect((await accept()).record.state).toBe('in_progress');
      await worker.job(3);
    });

    it('gives away no place of a worker that has withdrawn, or whose offer has run out, and one that is renewed', async () => {
      const gone = await newWorker(9);
      await gone.offer.close();
      expect((await accept()).record.state).toBe('queued');
      await newWorker(9, { offerTtlMs: shortMs });
      const living = await newWorker(1);
      await adapter().advance(shortMs + 1);
      await living.offer.offer(1);
      const { record } = await accept();
      expect([record.state, (await living.job(1)).record.key]).toEqual(['in_progress', record.key]);
      expect((await accept()).record.state).toBe('queued');
    });

    it('lets the lease of a job lapse that nobody has heard of, and is continued by the next', async () => {
      const worker = await newWorker(1, { leaseTtlMs: shortMs });
      const { job } = await accept();
      await worker.job(1);
      await adapter().advance(shortMs + 1);
      expect(await adapter().lease.lapsed(1_000)).toContain(job.key);
      const start = { at: job.createdAt, worker: 'w2' };
      const again = await adapter().jobSteps.begin(job.key, 'w2', lastingMs, start);
      expect(again).toMatchObject({ outcome: 'taken', fence: 2, started: false });
      expect(await finish(job.key)).toBe('stale');
      expect(toJobMessage((again as { record: JobRecord }).record)).toEqual(toJobMessage({ ...job }));
      await adapter().lease.release(job.key, 2);
    });

    it('gives up the lease that a finished job has kept', async () => {
      const worker = await newWorker(2, { leaseTtlMs: shortMs });
      const [settled, untold] = [(await accept()).job, (await accept()).job];
      await worker.job(2);
      for (const { key } of [settled, untold]) expect(await finish(key, true)).toBe('ok');
      await adapter().handoff.settled([settled.key]);
      await adapter().advance(shortMs + 1);
      const lapsed = await adapter().lease.lapsed(1_000);
      expect([lapsed.includes(settled.key), lapsed.includes(untold.key)]).toEqual([false, true]);
      await adapter().handoff.settled([untold.key]);
    });

    it('tells who accepted the job its story and its end', async () => {
      const worker = await newWorker(2);
      const never = new AbortController().signal;
      const [told, awaited] = [await accept({}, 'story'), await accept({}, 'end')];
      const seen: string[] = [];
      const following = (async () => {
        for await (const { seq, type } of adapter().resultStream.follow(told.job.key, 0, never))
          seen.push(`${seq} ${type}`);
      })();
      await worker.job(2);
      for (const { job } of [told, awaited]) expect(await finish(job.key)).toBe('ok');
      await following;
      expect(seen).toEqual(['1 job.queued', '2 job.started', '3 job.delta', '4 job.completed']);
      expect(await adapter().resultStream.awaitEnd(awaited.job.key, never)).toMatchObject({ seq: 4 });
    });
  });
}
