/** What every UsageLedger promises: each recorded job counts once, in the right buckets, whoever records it. */
import { randomUUID } from 'node:crypto';
import type { JobEnded } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { bucketMs, type UsageQuery } from '../usage-ledger.ts';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { endedJob } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

const day = Date.UTC(2024, 4, 6);

function used(tenant: string, changes: Partial<JobEnded> = {}): JobEnded {
  const usage = { promptTokens: 3, completionTokens: 5 };
  return endedJob(tenant, `job_${randomUUID()}`, { finishedAt: day + 0.5, usage, ...changes });
}

export function usageLedgerConformance(makeAdapter: MakeAdapter<'usageLedger' | 'jobHistory'>): void {
  describe('UsageLedger', () => {
    const adapter = withAdapter(makeAdapter);
    const record = (jobs: readonly JobEnded[]) => adapter().jobHistory.record(jobs);
    const sum = (query: Partial<UsageQuery>) =>
      adapter().usageLedger.sum({
        size: 'day',
        from: day,
        before: day + bucketMs.day,
        groupBy: [],
        limit: 1000,
        ...query,
      });

    it('sums requests and tokens by hour and by day, and leaves no bucket half counted', async () => {
      const tenant = newTenant();
      const hours = [0, 0, 1, 23];
      await record(hours.map((hour) => used(tenant, { finishedAt: day + hour * bucketMs.hour + 1 })));
      await record([used(tenant, { finishedAt: day + bucketMs.day }), used(tenant, { finishedAt: day - 0.5 })]);
      const none = { tenant: null, key: null, user: null, model: null };
      const sumOf = (start: number, requests: number) => ({
        start,
        ...none,
        requests,
        promptTokens: 3 * requests,
        completionTokens: 5 * requests,
      });
      expect(await sum({ tenant })).toEqual([sumOf(day, 4)]);
      expect(await sum({ tenant, size: 'hour' })).toEqual([
        sumOf(day, 2),
        sumOf(day + bucketMs.hour, 1),
        sumOf(day + 23 * bucketMs.hour, 1),
      ]);
      const around = { tenant, from: day - 1, before: day + bucketMs.day + 1 };
      expect((await sum(around)).map(({ requests }) => requests)).toEqual([1, 4, 1]);
    });

    it('counts a job once, however often and by however many it is recorded', async () => {
      const tenant = newTenant();
      const jobs = Array.from({ length: 30 }, (_, index) =>
        used(tenant, { usage: { promptTokens: 3, completionTokens: index } }),
      );
      await atOnce(5, (index) => record(index % 2 === 0 ? jobs : jobs.toReversed()));
      await record([jobs[7]!, jobs[7]!]);
      expect(await sum({ tenant })).toMatchObject([{ requests: 30, promptTokens: 90, completionTokens: 435 }]);
    });

    it('groups by tenant, key, user and model; what has none is null', async () => {
      const [tenant, other] = [newTenant(), newTenant()].sort();
      await record([
        used(tenant!, { keyId: 'key_a' }),
        used(tenant!, { keyId: null, userId: 'user_1', model: 'big' }),
        used(other!, { keyId: 'key_a', model: 'big' }),
      ]);
      const groupBy = ['tenant', 'key', 'user', 'model'] as const;
      const sums = (await sum({ groupBy })).filter((one) => one.tenant === tenant || one.tenant === other);
      expect(sums.map((one) => [one.tenant, one.key, one.user, one.model])).toEqual([
        [tenant, null, 'user_1', 'big'],
        [tenant, 'key_a', null, 'tiny'],
        [other, 'key_a', null, 'big'],
      ]);
      expect(
        (await sum({ tenant: tenant!, groupBy: ['model'] })).map(({ model, requests }) => [model, requests]),
      ).toEqual([
        ['big', 1],
        ['tiny', 1],
      ]);
    });

    it('answers no more sums than asked for, the oldest', async () => {
      const tenant = newTenant();
      await record([5, 3, 4].map((hour) => used(tenant, { finishedAt: day + hour * bucketMs.hour })));
      const starts = (await sum({ tenant, size: 'hour', limit: 2 })).map(({ start }) => start);
      expect(starts).toEqual([day + 3 * bucketMs.hour, day + 4 * bucketMs.hour]);
    });
  });
}
