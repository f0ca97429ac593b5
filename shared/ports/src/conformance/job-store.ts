/** What every JobStore promises of creating and counting. Listing and transitions have suites of their own. */
import { jobKey, type Priority, priorities } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import type { QueueCounts } from '../job-store.ts';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { newJob, newKey, noLimits, result } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

export function jobStoreConformance(makeAdapter: MakeAdapter<'jobStore'>): void {
  describe('JobStore: create and counts', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().jobStore;
    const waiting = async () => sum((await store().counts()).queued);

    it('keeps every field of a job as it was given', async () => {
      const job = newJob(newTenant(), {
        id: 'mine/ü:1',
        metadata: { project: 'a "b" \\ \' 💡', '': 'empty name' },
        deadlineAt: 1_700_000_100_000.75,
        priority: 'batch',
        onDisconnect: 'cancel',
      });
      const created = await store().create(job, noLimits);
      expect(created).toEqual({ outcome: 'created', record: { ...job, ordinal: expect.any(Number) } });
      expect(await store().get(job.key)).toEqual(created.outcome === 'created' && created.record);
    });

    it('does not know a key that was never created, nor the same id of another tenant', async () => {
      const job = newJob(newTenant());
      await store().create(job, noLimits);
      expect(await store().get(newKey(newTenant()))).toBeUndefined();
      expect(await store().get(jobKey(newTenant(), job.id))).toBeUndefined();
    });

    it('answers a second create of a key with the first job, and changes nothing', async () => {
      const job = newJob(newTenant());
      await store().create(job, noLimits);
      const first = await store().get(job.key);
      const before = await store().counts();
      const second = await store().create({ ...job, requestHash: 'b'.repeat(64), priority: 'batch' }, noLimits);
      expect(second).toEqual({ outcome: 'exists', record: first });
      expect(await store().get(job.key)).toEqual(first);
      expect(await store().counts()).toEqual(before);
    });

    it('lets exactly one of 50 parallel creates of a key win', async () => {
      const tenant = newTenant();
      const before = await waiting();
      const answers = await atOnce(50, (index) =>
        store().create(newJob(tenant, { id: 'same', requestId: `req_${index}` }), noLimits),
      );
      const created = answers.filter((answer) => answer.outcome === 'created');
      expect(created).toHaveLength(1);
      const record = await store().get(jobKey(tenant, 'same'));
      for (const answer of answers) expect(answer).toMatchObject({ record });
      expect(await waiting()).toBe(before + 1);
    });

    it('never lets parallel creates pass the limit of a tenant', async () => {
      const tenant = newTenant();
      const answers = await atOnce(40, () => store().create(newJob(tenant), { ...noLimits, maxQueuedPerTenant: 10 }));
      expect(answers.filter((answer) => answer.outcome === 'created')).toHaveLength(10);
      for (const answer of answers.filter(({ outcome }) => outcome !== 'created')) {
        expect(answer).toEqual({ outcome: 'full', scope: 'tenant', queued: 10 });
      }
    });

    it('never lets parallel creates of many tenants pass the limit of the queue', async () => {
      const maxQueued = (await waiting()) + 10;
      const answers = await atOnce(40, () => store().create(newJob(newTenant()), { ...noLimits, maxQueued }));
      expect(answers.filter((answer) => answer.outcome === 'created')).toHaveLength(10);
      for (const answer of answers.filter(({ outcome }) => outcome !== 'created')) {
        expect(answer).toEqual({ outcome: 'full', scope: 'queue', queued: maxQueued });
      }
      expect(await waiting()).toBe(maxQueued);
    });

    it('keeps nothing of a job it refused', async () => {
      const job = newJob(newTenant());
      const before = await store().counts();
      expect(await store().create(job, { maxQueued: 0, maxQueuedPerTenant: 0 })).toMatchObject({ outcome: 'full' });
      expect(await store().get(job.key)).toBeUndefined();
      expect(await store().counts()).toEqual(before);
    });

    it('knows since when the oldest waits', async () => {
      const tenant = newTenant();
      // Older than any other test's.
      const [older, newer] = [newJob(tenant, { createdAt: 1.5 }), newJob(tenant, { createdAt: 2 })];
      for (const job of [newer, older]) await store().create(job, noLimits);
      expect(await store().oldestQueuedAt()).toBe(1.5);
      await store().transition(older.key, ['queued'], 'cancelled', {}, 0);
      expect(await store().oldestQueuedAt()).toBe(2);
      await store().transition(newer.key, ['queued'], 'cancelled', {}, 0);
      expect(await store().oldestQueuedAt()).not.toBe(2);
    });

    it('says `exists` rather than `full` for a job it has', async () => {
      const job = newJob(newTenant());
      await store().create(job, noLimits);
      expect(await store().create(job, { maxQueued: 0, maxQueuedPerTenant: 0 })).toMatchObject({ outcome: 'exists' });
    });

    it('makes room under the limit as jobs leave the queue', async () => {
      const tenant = newTenant();
      const limits = { ...noLimits, maxQueuedPerTenant: 1 };
      const first = newJob(tenant);
      await store().create(first, limits);
      expect(await store().create(newJob(tenant), limits)).toMatchObject({ outcome: 'full' });
      await store().transition(first.key, ['queued'], 'in_progress', {}, 1);
      expect(await store().create(newJob(tenant), limits)).toMatchObject({ outcome: 'created' });
    });

    it.each(priorities)('numbers %s jobs one after the other, refused ones leaving no gap', async (priority) => {
      const tenant = newTenant();
      const full = { maxQueued: 0, maxQueuedPerTenant: 0 };
      const ordinals: number[] = [];
      for (let round = 0; round < 5; round++) {
        await store().create(newJob(tenant, { priority }), full);
        ordinals.push(await createdOrdinal(priority, tenant));
      }
      expect(ordinals).toEqual(ordinals.map((_, index) => ordinals[0]! + index));
    });

    it('gives 30 parallel arrivals 30 different numbers', async () => {
      const tenant = newTenant();
      const ordinals = await atOnce(30, () => createdOrdinal('interactive', tenant));
      expect(new Set(ordinals).size).toBe(30);
      expect(Math.max(...ordinals) - Math.min(...ordinals)).toBe(29);
    });

    it('counts every job in the state it is in, by priority, in the same step', async () => {
      const tenant = newTenant();
      const before = await store().counts();
      const [starts, finishes, dies, waits] = (['batch', 'batch', 'interactive', 'batch'] as const).map((priority) =>
        newJob(tenant, { priority }),
      );
      for (const job of [starts!, finishes!, dies!, waits!]) await store().create(job, noLimits);
      expect(difference(await store().counts(), before)).toMatchObject({ queued: { interactive: 1, batch: 3 } });
      await store().transition(starts!.key, ['queued'], 'in_progress', {}, 1);
      await store().transition(finishes!.key, ['queued'], 'in_progress', {}, 1);
      await store().transition(finishes!.key, ['in_progress'], 'in_progress', { attempts: 2 }, 1);
      await store().transition(finishes!.key, ['in_progress'], 'completed', { result }, 1);
      await store().transition(dies!.key, ['queued'], 'cancelled', {}, 0);
      expect(difference(await store().counts(), before)).toEqual({
        queued: { interactive: 0, standard: 0, batch: 1 },
        inProgress: 1,
        departed: { interactive: 1, standard: 0, batch: 2 },
      });
    });

    it('lists what still waits unpublished from before a moment, oldest first, as many as asked for', async () => {
      const tenant = newTenant();
      // Far in the past, so that jobs of other tests never come before these.
      const jobs = [3, 1, 2, 4, 5].map((createdAt) => newJob(tenant, { createdAt, id: `at-${createdAt}` }));
      for (const job of jobs) await store().create(job, noLimits);
      await store().transition(jobKey(tenant, 'at-2'), ['queued'], 'in_progress', {}, 1);
      const ids = async (limit: number) => (await store().listUnpublished(5, limit)).map((record) => record.id);
      expect(await ids(10)).toEqual(['at-1', 'at-3', 'at-4']);
      expect(await ids(2)).toEqual(['at-1', 'at-3']);
    });

    async function createdOrdinal(priority: Priority, tenant: string): Promise<number> {
      const answer = await store().create(newJob(tenant, { priority }), noLimits);
      if (answer.outcome !== 'created') throw new Error(`expected a new job, got ${answer.outcome}`);
      return answer.record.ordinal;
    }
  });
}

function sum(byPriority: Record<Priority, number>): number {
  return priorities.reduce((total, priority) => total + byPriority[priority], 0);
}

function difference(after: QueueCounts, before: QueueCounts): QueueCounts {
  const subtract = (left: Record<Priority, number>, right: Record<Priority, number>) =>
    Object.fromEntries(priorities.map((priority) => [priority, left[priority] - right[priority]])) as typeof left;
  return {
    queued: subtract(after.queued, before.queued),
    inProgress: after.inProgress - before.inProgress,
    departed: subtract(after.departed, before.departed),
  };
}
