/** What every JobHistory promises. */
import { jobKey } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { endedJob } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

export function jobHistoryConformance(makeAdapter: MakeAdapter<'jobHistory'>): void {
  describe('JobHistory', () => {
    const adapter = withAdapter(makeAdapter);
    const history = () => adapter().jobHistory;

    it('keeps a job as it was recorded first, every field, however often it is recorded', async () => {
      const tenant = newTenant();
      const job = endedJob(tenant, 'a.b$c:ü', { state: 'failed', reason: 'generation_failed', startedAt: 5.5 });
      const plain = endedJob(tenant, 'plain', { keyId: null, userId: 'user_1' });
      await history().record([job, job]);
      await atOnce(5, () => history().record([{ ...job, attempts: 9 }, plain]));
      expect(await history().get(job.key)).toEqual(job);
      expect(await history().get(plain.key)).toEqual(plain);
      expect(await history().get(jobKey(tenant, 'unknown'))).toBeUndefined();
      expect((await history().list({ tenant }, { limit: 100 })).jobs).toHaveLength(2);
    });

    it('lists newest end first in pages, by state and time, and no other tenant', async () => {
      const tenant = newTenant();
      const jobs = [10, 30, 20, 30].map((finishedAt, index) => endedJob(tenant, `job_${index}`, { finishedAt }));
      const cancelled = endedJob(tenant, 'job_c', { state: 'cancelled', finishedAt: 25 });
      await history().record([...jobs, cancelled, endedJob(newTenant(), 'foreign')]);
      const ids = async (page: { limit: number; after?: string }, filter = {}) => {
        const { jobs: found, hasMore } = await history().list({ tenant, ...filter }, page);
        return [found.map(({ jobId }) => jobId), hasMore];
      };
      expect(await ids({ limit: 3 })).toEqual([['job_3', 'job_1', 'job_c'], true]);
      expect(await ids({ limit: 3, after: 'job_c' })).toEqual([['job_2', 'job_0'], false]);
      expect(await ids({ limit: 3, after: 'job_3' }, { states: ['completed'] })).toEqual([
        ['job_1', 'job_2', 'job_0'],
        false,
      ]);
      expect(await ids({ limit: 9 }, { from: 20, before: 30 })).toEqual([['job_c', 'job_2'], false]);
      expect(await ids({ limit: 9, after: 'unknown' })).toEqual([[], false]);
    });
  });
}
