/**
 * Store, stream and lease together, as gateway and worker use them: whoever races or revives, a job has one story with one end, and its
 * record says the same.
 */
import { isTerminalEvent, type JobKey, type TerminalState } from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MakeAdapter, newTenant } from './harness.ts';
import { delta, newJob, noLimits, queued, result, terminal } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

const ttlMs = 60_000;

export function jobLifeConformance(makeAdapter: MakeAdapter<'jobStore' | 'resultStream' | 'lease'>): void {
  describe('Store, stream and lease together', () => {
    const adapter = withAdapter(makeAdapter);

    it('accept: job and first event may be written at once', async () => {
      const job = newJob(newTenant());
      const [created, appended] = await Promise.all([
        adapter().jobStore.create(job, noLimits),
        adapter().resultStream.append(job.key, 0, 0, [queued]),
      ]);
      expect([created.outcome, appended]).toEqual(['created', 'ok']);
      expect(await adapter().resultStream.last(job.key)).toEqual({ ...queued, seq: 1 });
    });

    it('accept: a job refused once may be created later under the same id, its story begun already', async () => {
      const job = newJob(newTenant());
      await adapter().resultStream.append(job.key, 0, 0, [queued]);
      expect(await adapter().resultStream.append(job.key, 0, 0, [queued])).toBe('stale');
      expect(await adapter().jobStore.create(job, noLimits)).toMatchObject({ outcome: 'created' });
      expect(await adapter().resultStream.read(job.key, 0, 10)).toEqual([{ ...queued, seq: 1 }]);
    });

    it('zombie: a worker that was overtaken can write neither events nor the record', async () => {
      const { jobStore, resultStream, lease } = adapter();
      const key = await acceptedJob();
      await lease.acquire(key, 'zombie', 100);
      await jobStore.transition(key, ['queued'], 'in_progress', { attempts: 1 }, 1);
      await resultStream.append(key, 1, 1, [delta('a')]);
      await adapter().advance(101);
      expect(await lease.acquire(key, 'successor', ttlMs)).toEqual({ fence: 2 });
      await jobStore.transition(key, ['in_progress'], 'in_progress', { attempts: 2 }, 2);
      expect(await resultStream.append(key, 1, 2, [delta('zombie')])).toBe('stale');
      expect(await jobStore.transition(key, ['in_progress'], 'failed', {}, 1)).toBe('conflict');
      expect(await resultStream.append(key, 2, 2, [delta('b'), terminal('completed')])).toBe('ok');
      expect(await jobStore.transition(key, ['in_progress'], 'completed', { result }, 2)).toMatchObject({
        attempts: 2,
      });
    });

    it('finish against cancel: one end, the same in story and record, however the steps fall', async () => {
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), async (scheduler) => {
          const key = await acceptedJob();
          await adapter().lease.acquire(key, 'worker', ttlMs);
          await adapter().jobStore.transition(key, ['queued'], 'in_progress', {}, 1);
          const step = scheduler.scheduleFunction(async <Value>(call: () => Promise<Value>) => call());
          const race = Promise.all([finish(key, 1, 1, 'completed', step), cancel(key, step)]);
          await scheduler.waitFor(race);
          const events = await adapter().resultStream.read(key, 0, 10);
          const ends = events.filter(isTerminalEvent);
          expect(ends).toHaveLength(1);
          expect(events.at(-1)).toEqual(ends[0]);
          expect(await adapter().jobStore.get(key)).toMatchObject({ state: ends[0]!.outcome.state });
        }),
        { numRuns: 40 },
      );
    });

    type Step = <Value>(call: () => Promise<Value>) => Promise<Value>;

    async function finish(
      key: JobKey,
      fence: number,
      afterSeq: number,
      state: TerminalState,
      step: Step,
    ): Promise<void> {
      const appended = await step(() => adapter().resultStream.append(key, fence, afterSeq, [terminal(state)]));
      if (appended === 'stale') return;
      await step(() => adapter().jobStore.transition(key, ['queued', 'in_progress'], state, { result }, fence));
    }

    async function cancel(key: JobKey, step: Step): Promise<void> {
      const { fence } = await step(() => adapter().lease.seize(key, 'canceller', ttlMs));
      const last = await step(() => adapter().resultStream.last(key));
      if (last === undefined || isTerminalEvent(last)) return;
      await finish(key, fence, last.seq, 'cancelled', step);
    }

    async function acceptedJob(): Promise<JobKey> {
      const job = newJob(newTenant());
      await adapter().jobStore.create(job, noLimits);
      await adapter().resultStream.append(job.key, 0, 0, [queued]);
      return job.key;
    }
  });
}
