/** What every JobStore promises of moving jobs: only along the state table, one winner, and never for a writer that was overtaken. */
import {
  canTransition,
  isTerminal,
  type JobKey,
  type JobRecord,
  type JobState,
  jobStates,
  priorities,
} from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { newJob, newKey, noLimits, result } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

export function jobStoreTransitionConformance(makeAdapter: MakeAdapter<'jobStore'>): void {
  describe('JobStore: transitions', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().jobStore;

    for (const from of jobStates) {
      for (const to of jobStates) {
        const legal = from === to || canTransition(from, to);
        it(`${legal ? 'moves' : 'refuses to move'} a job from ${from} to ${to}`, async () => {
          const before = await jobIn(from);
          const answer = await store().transition(before.key, [from], to, { attempts: 9 }, 5);
          const expected = legal ? { ...before, state: to, attempts: 9 } : before;
          expect(answer).toEqual(legal ? expected : 'conflict');
          expect(await store().get(before.key)).toEqual(expected);
        });
      }
    }

    it('refuses when the job is in none of the states the caller believes', async () => {
      const job = await jobIn('in_progress');
      expect(await store().transition(job.key, ['queued', 'completed'], 'failed', {}, 5)).toBe('conflict');
      expect(await store().transition(job.key, [], 'failed', {}, 5)).toBe('conflict');
      expect(await store().get(job.key)).toEqual(job);
    });

    it('answers `conflict` for a job that does not exist', async () => {
      expect(await store().transition(newKey(newTenant()), ['queued'], 'in_progress', {}, 1)).toBe('conflict');
    });

    it('changes the fields of the patch and no other; null is a value', async () => {
      const { key } = await jobIn('in_progress');
      const error = { message: 'm', type: 'server_error', param: null, code: 'generation_failed' } as const;
      await store().transition(key, ['in_progress'], 'in_progress', { startedAt: 5.5, attempts: 2, result, error }, 1);
      const patched = await store().transition(key, ['in_progress'], 'in_progress', { result: null }, 1);
      expect(patched).toMatchObject({ startedAt: 5.5, finishedAt: null, attempts: 2, result: null, error });
      expect(await store().get(key)).toEqual(patched);
    });

    it('refuses a writer after one with a higher fence has written, and lets that one go on', async () => {
      const { key } = await jobIn('queued');
      expect(await store().transition(key, ['queued'], 'in_progress', {}, 3)).toMatchObject({ state: 'in_progress' });
      expect(await store().transition(key, ['in_progress'], 'completed', { result }, 2)).toBe('conflict');
      expect(await store().transition(key, ['in_progress'], 'in_progress', { attempts: 2 }, 0)).toBe('conflict');
      expect(await store().transition(key, ['in_progress'], 'in_progress', { attempts: 3 }, 3)).toMatchObject({
        attempts: 3,
      });
      expect(await store().transition(key, ['in_progress'], 'completed', { result }, 4)).toMatchObject({ result });
    });

    it('lets exactly one of 50 parallel writers start a job', async () => {
      const { key } = await jobIn('queued');
      const answers = await atOnce(50, (index) =>
        store().transition(key, ['queued'], 'in_progress', { attempts: index }, 1),
      );
      const won = answers.filter((answer) => answer !== 'conflict');
      expect(won).toHaveLength(1);
      expect(await store().get(key)).toEqual(won[0]);
    });

    it('gives a job one end when finish, cancel and deadline race', async () => {
      for (let round = 0; round < 10; round++) {
        const { key } = await jobIn('in_progress');
        const ends = ['completed', 'cancelled', 'expired', 'failed'] as const;
        const answers = await Promise.all(ends.map((end) => store().transition(key, ['in_progress'], end, {}, 1)));
        const won = answers.filter((answer) => answer !== 'conflict');
        expect(won).toHaveLength(1);
        expect(await store().get(key)).toEqual(won[0]);
      }
    });

    it('keeps counts equal to a recount of the jobs, whatever is tried at once', async () => {
      const attempt = fc.record({
        job: fc.nat({ max: 4 }),
        to: fc.constantFrom(...jobStates),
        from: fc.subarray([...jobStates], { minLength: 1 }),
        fence: fc.nat({ max: 2 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(attempt, { maxLength: 40 }), async (attempts) => {
          const tenant = newTenant();
          const before = await store().counts();
          const jobs = [0, 1, 2, 3, 4].map((index) => newJob(tenant, { priority: priorities[index % 3]! }));
          await Promise.all(jobs.map((job) => store().create(job, noLimits)));
          await Promise.all(
            attempts.map(({ job, from, to, fence }) => store().transition(jobs[job]!.key, from, to, {}, fence)),
          );
          const { records } = await store().list({ tenant }, { limit: 100 });
          const after = await store().counts();
          for (const priority of priorities) {
            const own = records.filter((record) => record.priority === priority);
            const stillQueued = own.filter((record) => record.state === 'queued').length;
            expect(after.queued[priority] - before.queued[priority]).toBe(stillQueued);
            expect(after.departed[priority] - before.departed[priority]).toBe(own.length - stillQueued);
          }
          const running = records.filter((record) => record.state === 'in_progress').length;
          expect(after.inProgress - before.inProgress).toBe(running);
        }),
        { numRuns: 25 },
      );
    });

    /** A job brought into the state along the table. */
    async function jobIn(state: JobState): Promise<JobRecord> {
      const job = newJob(newTenant());
      await store().create(job, noLimits);
      if (state === 'queued') return read(job.key);
      await store().transition(job.key, ['queued'], 'in_progress', {}, 1);
      if (isTerminal(state)) await store().transition(job.key, ['in_progress'], state, {}, 1);
      return read(job.key);
    }

    async function read(key: JobKey): Promise<JobRecord> {
      const record = await store().get(key);
      if (record === undefined) throw new Error(`job ${key} is missing`);
      return record;
    }
  });
}
