/**
 * What JobSteps promises: the same as the single steps one after the other, but all or nothing; and that both kinds see what the other wrote,
 * so that a job may go from one to the other at any point.
 */
import { isTerminalEvent, type JobKey, type TerminalState } from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Finish, JobBegin } from '../job-steps.ts';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { delta, newJob, newKey, noLimits, queued, result, terminal } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

const ttlMs = 400;
const start = { at: 1_700_000_000_500.25, worker: 'w1' };
const finishedAt = 1_700_000_009_000;

export function jobStepsConformance(
  makeAdapter: MakeAdapter<'jobStore' | 'jobSteps' | 'resultStream' | 'lease'>,
): void {
  describe('JobSteps', () => {
    const adapter = withAdapter(makeAdapter);
    const steps = () => adapter().jobSteps;
    const accepted = async (tenant = newTenant()): Promise<JobKey> => {
      const job = newJob(tenant);
      await steps().accept(job, noLimits);
      return job.key;
    };
    const begin = (key: JobKey, owner = 'w1') => steps().begin(key, owner, ttlMs, { ...start, worker: owner });
    const finish = (key: JobKey, changes: Partial<Finish> = {}) =>
      steps().finish(key, {
        ...{ fence: 1, afterSeq: 2, state: 'completed', patch: { result, error: null, finishedAt } },
        events: [delta('a'), terminal(changes.state ?? 'completed')],
        ...changes,
      });
    const story = async (key: JobKey) => (await adapter().resultStream.read(key, 0, 100)).map(({ type }) => type);

    it('leads a job from its creation to its end', async () => {
      const tenant = newTenant();
      const job = newJob(tenant, { metadata: { a: '1' } });
      const before = await adapter().jobStore.counts();
      expect(await steps().accept(job, noLimits)).toMatchObject({ outcome: 'created', record: job });
      expect(await story(job.key)).toEqual(['job.queued']);
      const begun = await begin(job.key);
      expect(begun).toMatchObject({ outcome: 'taken', fence: 1, started: true });
      const running = { ...job, state: 'in_progress', attempts: 1, startedAt: start.at };
      expect((begun as JobBegin & { outcome: 'taken' }).record).toMatchObject(running);
      expect(await adapter().jobStore.get(job.key)).toMatchObject(running);
      expect(await finish(job.key)).toBe('ok');
      const record = await adapter().jobStore.get(job.key);
      expect(record).toMatchObject({ ...running, state: 'completed', result, finishedAt });
      expect(await adapter().resultStream.read(job.key, 0, 10)).toEqual([
        { type: 'job.queued', at: job.createdAt, seq: 1 },
        { type: 'job.started', at: start.at, attempt: 1, worker: 'w1', seq: 2 },
        { ...delta('a'), seq: 3 },
        { ...terminal('completed'), seq: 4 },
      ]);
      const after = await adapter().jobStore.counts();
      expect(after.departed.standard - before.departed.standard).toBe(1);
      expect([after.inProgress - before.inProgress, after.queued.standard - before.queued.standard]).toEqual([0, 0]);
      for (const filter of [{ tenant }, { tenant, metadata: { a: '1' } }, { tenant, states: ['completed' as const] }]) {
        const { records } = await adapter().jobStore.list(filter, { limit: 10 });
        expect(records.map(({ key }) => key)).toEqual([job.key]);
      }
      expect(await adapter().jobStore.list({ tenant, states: ['queued', 'in_progress'] }, { limit: 10 })).toEqual({
        records: [],
        hasMore: false,
      });
    });

    it('accepts a job once, however often it is asked, with one first event', async () => {
      const job = newJob(newTenant());
      const answers = await atOnce(20, () => steps().accept(job, noLimits));
      expect(answers.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
      expect(answers.filter(({ outcome }) => outcome === 'exists')).toHaveLength(19);
      expect(await story(job.key)).toEqual(['job.queued']);
    });

    it('tells nothing of a job that was refused for lack of room', async () => {
      const tenant = newTenant();
      await accepted(tenant);
      const job = newJob(tenant);
      const refused = await steps().accept(job, { ...noLimits, maxQueuedPerTenant: 1 });
      expect(refused).toEqual({ outcome: 'full', scope: 'tenant', queued: 1 });
      expect([await story(job.key), await adapter().jobStore.get(job.key)]).toEqual([[], undefined]);
    });

    it('gives a job to exactly one of 50 who would begin it', async () => {
      const key = await accepted();
      const answers = await atOnce(50, (index) => begin(key, `w${index}`));
      expect(answers.filter(({ outcome }) => outcome === 'taken')).toMatchObject([{ fence: 1, started: true }]);
      expect(answers.filter(({ outcome }) => outcome === 'held')).toHaveLength(49);
      expect(await story(key)).toEqual(['job.queued', 'job.started']);
    });

    it('takes but does not start what was begun before, when its lease has run out or was given up', async () => {
      const [lapsed, released] = [await accepted(), await accepted()];
      await Promise.all([begin(lapsed), begin(released)]);
      await adapter().lease.release(released, 1);
      expect(await begin(released, 'w2')).toMatchObject({ outcome: 'taken', fence: 2, started: false });
      await adapter().advance(ttlMs + 1);
      const second = await begin(lapsed, 'w2');
      expect(second).toMatchObject({ outcome: 'taken', fence: 2, started: false, record: { state: 'in_progress' } });
      expect(await story(lapsed)).toEqual(['job.queued', 'job.started']);
      expect(await finish(lapsed)).toBe('stale');
      expect(await finish(lapsed, { fence: 2 })).toBe('ok');
    });

    it('does not start a job of whose story more is known than that it waits', async () => {
      const key = await accepted();
      await adapter().resultStream.append(key, 0, 1, [delta('early')]);
      expect(await begin(key)).toMatchObject({ outcome: 'taken', started: false, record: { state: 'queued' } });
      const bare = newJob(newTenant());
      await adapter().jobStore.create(bare, noLimits);
      expect(await begin(bare.key)).toMatchObject({ outcome: 'taken', started: false });
    });

    it('says of a job that is over, or that nobody knows, what it is, and takes no lease', async () => {
      const key = await accepted();
      await begin(key);
      await finish(key, { state: 'failed' });
      expect(await begin(key, 'w2')).toMatchObject({ outcome: 'ended', record: { key, state: 'failed' } });
      const unknown = newKey(newTenant());
      expect(await begin(unknown)).toEqual({ outcome: 'unknown' });
      expect(await adapter().lease.acquire(unknown, 'w2', ttlMs)).toEqual({ fence: 1 });
      expect(await adapter().lease.acquire(key, 'w2', ttlMs)).toEqual({ fence: 2 });
    });

    it('gives the lease up with the end: it never lapses', async () => {
      const key = await accepted();
      await begin(key);
      await finish(key);
      await adapter().advance(ttlMs + 1);
      expect(await adapter().lease.lapsed(1_000)).not.toContain(key);
    });

    it('lets the lease lapse with the end where it is to stay', async () => {
      const key = await accepted();
      await begin(key);
      expect(await finish(key, { keepsLease: true })).toBe('ok');
      await adapter().advance(ttlMs + 1);
      expect(await adapter().lease.lapsed(1_000)).toContain(key);
      expect(await begin(key, 'w2')).toMatchObject({ outcome: 'ended' });
      const next = await adapter().lease.acquire(key, 'w2', ttlMs);
      await adapter().lease.release(key, (next as { fence: number }).fence);
      expect(await adapter().lease.lapsed(1_000)).not.toContain(key);
    });

    it('finishes nothing for a wrong fence, from a wrong place, before the start or after the end, and changes nothing then', async () => {
      const waiting = await accepted();
      await adapter().lease.acquire(waiting, 'w1', ttlMs);
      expect(await finish(waiting, { afterSeq: 1 })).toBe('stale');
      expect([await story(waiting), (await adapter().jobStore.get(waiting))?.state]).toEqual([
        ['job.queued'],
        'queued',
      ]);
      const key = await accepted();
      await begin(key);
      for (const wrong of [{ fence: 0 }, { fence: 2 }, { afterSeq: 1 }, { afterSeq: 3 }]) {
        expect(await finish(key, wrong)).toBe('stale');
      }
      expect([await story(key), (await adapter().jobStore.get(key))?.state]).toEqual([
        ['job.queued', 'job.started'],
        'in_progress',
      ]);
      expect(await finish(key)).toBe('ok');
      const before = [await story(key), await adapter().jobStore.get(key), await adapter().jobStore.counts()];
      expect(await finish(key)).toBe('stale');
      expect(await finish(key, { afterSeq: 4, state: 'failed' })).toBe('stale');
      expect([await story(key), await adapter().jobStore.get(key), await adapter().jobStore.counts()]).toEqual(before);
      await expect(finish(key, { events: [delta('a')] })).rejects.toThrow(TypeError);
    });

    it('follows into the single steps: text in between, and an end that was seized', async () => {
      const { resultStream, lease, jobStore } = adapter();
      const key = await accepted();
      await begin(key);
      expect(await resultStream.append(key, 1, 2, [delta('b')])).toBe('ok');
      const { fence } = await lease.seize(key, 'canceller', ttlMs);
      expect(await finish(key, { afterSeq: 3 })).toBe('stale');
      expect(await resultStream.append(key, fence, 3, [terminal('cancelled')])).toBe('ok');
      expect(await finish(key, { fence, afterSeq: 4 })).toBe('stale');
      expect(await jobStore.transition(key, ['in_progress'], 'cancelled', { finishedAt }, fence)).not.toBe('conflict');
      expect(await resultStream.append(key, fence, 4, [queued])).toBe('stale');
    });

    it('tells the end to who accepted a job to wait for it, however late it is asked, and whatever else is asked', async () => {
      const job = newJob(newTenant());
      const never = new AbortController().signal;
      await steps().accept(job, noLimits, 'end');
      const waiting = adapter().resultStream.awaitEnd(job.key, never);
      expect(await steps().accept(job, noLimits, 'end')).toMatchObject({ outcome: 'exists' });
      await begin(job.key);
      await finish(job.key);
      const end = { ...terminal('completed'), seq: 4 };
      expect([await waiting, await adapter().resultStream.awaitEnd(job.key, never)]).toEqual([end, end]);
      const unasked = newJob(newTenant());
      await steps().accept(unasked, noLimits, 'end');
      await begin(unasked.key);
      await finish(unasked.key);
      expect(await story(unasked.key)).toEqual(['job.queued', 'job.started', 'job.delta', 'job.completed']);
      expect(await adapter().resultStream.awaitEnd(unasked.key, never)).toEqual(end);
    });

    it('tells the story to who accepted a job to follow it, from its beginning, however late it is asked', async () => {
      const never = new AbortController().signal;
      const followed = async (key: JobKey, from = 0) => {
        const seen: number[] = [];
        for await (const { seq } of adapter().resultStream.follow(key, from, never)) seen.push(seq);
        return seen;
      };
      const [early, midway, late, awaited] = await Promise.all(
        Array.from({ length: 4 }, async () => {
          const job = newJob(newTenant());
          await steps().accept(job, noLimits, 'story');
          return job.key;
        }),
      );
      const first = followed(early!);
      expect(await steps().accept(newJob(newTenant(), { key: early! }), noLimits, 'story')).toMatchObject({
        outcome: 'exists',
      });
      for (const key of [early!, midway!, late!, awaited!]) await begin(key);
      const [second, third] = [followed(midway!), followed(midway!, 1)];
      const end = adapter().resultStream.awaitEnd(awaited!, never);
      for (const key of [early!, midway!, late!, awaited!]) await finish(key);
      expect([await first, await second, await third]).toEqual([
        [1, 2, 3, 4],
        [1, 2, 3, 4],
        [2, 3, 4],
      ]);
      expect([await followed(late!), await followed(late!, 2), (await end)?.seq]).toEqual([[1, 2, 3, 4], [3, 4], 4]);
    });

    it('follows a job that another had accepted, and one that was refused and comes later', async () => {
      const never = new AbortController().signal;
      const job = newJob(newTenant());
      await steps().accept(job, noLimits);
      const refused = newJob(job.tenant);
      const tight = { ...noLimits, maxQueuedPerTenant: 1 };
      expect(await steps().accept(job, noLimits, 'story')).toMatchObject({ outcome: 'exists' });
      expect(await steps().accept(refused, tight, 'story')).toMatchObject({ outcome: 'full' });
      const following = [job, refused].map(async ({ key }) => {
        const seen: number[] = [];
        for await (const { seq } of adapter().resultStream.follow(key, 0, never)) seen.push(seq);
        return seen;
      });
      await begin(job.key);
      await finish(job.key);
      await steps().accept(refused, noLimits);
      await begin(refused.key);
      await finish(refused.key);
      expect(await Promise.all(following)).toEqual([
        [1, 2, 3, 4],
        [1, 2, 3, 4],
      ]);
    });

    it('waits for the end of a job that another had accepted, and of none that was refused', async () => {
      const job = newJob(newTenant());
      const controller = new AbortController();
      await steps().accept(job, noLimits);
      expect(await steps().accept(job, noLimits, 'end')).toMatchObject({ outcome: 'exists' });
      const refused = newJob(job.tenant);
      const limits = { ...noLimits, maxQueuedPerTenant: 1 };
      expect(await steps().accept(refused, limits, 'end')).toMatchObject({ outcome: 'full' });
      const [waiting, vain] = [job, refused].map(({ key }) => adapter().resultStream.awaitEnd(key, controller.signal));
      await begin(job.key);
      await finish(job.key, { state: 'failed' });
      expect(await waiting).toMatchObject({ type: 'job.failed', seq: 4 });
      controller.abort();
      expect(await vain).toBeUndefined();
    });

    it('tells every step to those who follow', async () => {
      const key = await accepted();
      const seen: number[] = [];
      const following = (async () => {
        for await (const { seq } of adapter().resultStream.follow(key, 0, new AbortController().signal)) seen.push(seq);
      })();
      await begin(key);
      await finish(key);
      await following;
      expect(seen).toEqual([1, 2, 3, 4]);
    });

    it('finish against cancel: one end, the same in story and record, however the steps fall', async () => {
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), async (scheduler) => {
          const key = await accepted();
          await begin(key);
          const step = scheduler.scheduleFunction(async <Value>(call: () => Promise<Value>) => call());
          await scheduler.waitFor(Promise.all([step(() => finish(key)), cancel(key, step)]));
          const ends = (await adapter().resultStream.read(key, 0, 10)).filter(isTerminalEvent);
          expect(ends).toHaveLength(1);
          expect(await adapter().jobStore.get(key)).toMatchObject({ state: ends[0]!.outcome.state });
        }),
        { numRuns: 40 },
      );
    });

    type Step = <Value>(call: () => Promise<Value>) => Promise<Value>;

    async function cancel(key: JobKey, step: Step): Promise<void> {
      const { lease, resultStream, jobStore } = adapter();
      const { fence } = await step(() => lease.seize(key, 'canceller', ttlMs));
      const last = await step(() => resultStream.last(key));
      if (last === undefined || isTerminalEvent(last)) return;
      const state: TerminalState = 'cancelled';
      if ((await step(() => resultStream.append(key, fence, last.seq, [terminal(state)]))) === 'stale') return;
      await step(() => jobStore.transition(key, ['queued', 'in_progress'], state, { result }, fence));
    }
  });
}
