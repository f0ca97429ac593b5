/** What every JobStore promises of listing: a tenant sees its own jobs, newest first, each once, whatever its metadata is named. */
import type { JobRecord, NewJob } from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JobFilter } from '../job-store.ts';
import { type MakeAdapter, newTenant } from './harness.ts';
import { newJob, noLimits } from './samples.ts';
import { withAdapter } from './with-adapter.ts';

export function jobStoreListConformance(makeAdapter: MakeAdapter<'jobStore'>): void {
  describe('JobStore: list', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().jobStore;
    const create = (job: NewJob) => store().create(job, noLimits);

    it('shows newest first, by creation and then by key', async () => {
      const tenant = newTenant();
      for (const [id, createdAt] of [
        ['b', 2],
        ['a', 2],
        ['z', 1],
        ['c', 3.5],
        ['d', 3.25],
      ] as const) {
        await create(newJob(tenant, { id, createdAt }));
      }
      expect(await listIds({ tenant }, 10)).toEqual([['c', 'd', 'b', 'a', 'z']]);
    });

    it('pages through every job exactly once, also when several are created in the same instant', async () => {
      const tenant = newTenant();
      for (let index = 0; index < 23; index++) await create(newJob(tenant, { createdAt: Math.floor(index / 5) }));
      const whole = await listIds({ tenant }, 100);
      for (const limit of [1, 7, 22, 23]) expect((await listIds({ tenant }, limit)).flat()).toEqual(whole.flat());
    });

    it('goes on in the same place when newer jobs come in between', async () => {
      const tenant = newTenant();
      for (const id of ['1', '2', '3', '4']) await create(newJob(tenant, { id, createdAt: Number(id) }));
      const first = await store().list({ tenant }, { limit: 2 });
      await create(newJob(tenant, { id: '5', createdAt: 5 }));
      const second = await store().list({ tenant }, { limit: 2, after: first.records.at(-1)!.id });
      expect([first, second].map(({ records, hasMore }) => [...records.map(({ id }) => id), hasMore])).toEqual([
        ['4', '3', true],
        ['2', '1', false],
      ]);
    });

    it('answers whole records', async () => {
      const job = newJob(newTenant(), { metadata: { a: 'b' } });
      await create(job);
      const { records } = await store().list({ tenant: job.tenant }, { limit: 1 });
      expect(records).toEqual([await store().get(job.key)]);
    });

    it('never shows a job of another tenant, nor takes its id as a place to go on from', async () => {
      const [mine, other] = [newTenant(), newTenant()];
      await create(newJob(other, { id: 'theirs', metadata: { a: 'b' } }));
      await create(newJob(mine, { id: 'own', createdAt: 1 }));
      expect(await listIds({ tenant: mine }, 10)).toEqual([['own']]);
      expect(await listIds({ tenant: mine, metadata: { a: 'b' } }, 10)).toEqual([[]]);
      const page = await store().list({ tenant: mine }, { limit: 10, after: 'theirs' });
      expect(page).toEqual({ records: [], hasMore: false });
    });

    it('answers an empty page after an unknown id', async () => {
      const tenant = newTenant();
      await create(newJob(tenant));
      const page = await store().list({ tenant }, { limit: 10, after: 'never-was' });
      expect(page).toEqual({ records: [], hasMore: false });
    });

    it('filters by state, the current one', async () => {
      const tenant = newTenant();
      for (const id of ['waits', 'runs', 'done']) await create(newJob(tenant, { id, createdAt: id.length }));
      for (const id of ['runs', 'done']) {
        await store().transition(newJob(tenant, { id }).key, ['queued'], 'in_progress', {}, 1);
      }
      await store().transition(newJob(tenant, { id: 'done' }).key, ['in_progress'], 'completed', {}, 1);
      expect(await listIds({ tenant, states: ['completed'] }, 10)).toEqual([['done']]);
      expect(await listIds({ tenant, states: ['queued', 'in_progress'] }, 10)).toEqual([['waits', 'runs']]);
      expect(await listIds({ tenant, states: ['queued', 'in_progress'] }, 1)).toEqual([['waits'], ['runs']]);
      expect(await listIds({ tenant, states: [] }, 10)).toEqual([[]]);
    });

    it('filters by metadata: every pair must match, exactly', async () => {
      const tenant = newTenant();
      const all = { red: { colour: 'red' }, both: { colour: 'red', size: 'l' }, large: { size: 'l' }, none: {} };
      for (const [index, [id, metadata]] of Object.entries(all).entries()) {
        await create(newJob(tenant, { id, metadata, createdAt: index }));
      }
      expect(await listIds({ tenant, metadata: { colour: 'red' } }, 1)).toEqual([['both'], ['red']]);
      expect(await listIds({ tenant, metadata: { colour: 'red', size: 'l' } }, 10)).toEqual([['both']]);
      expect(await listIds({ tenant, metadata: { colour: 'Red' } }, 10)).toEqual([[]]);
      expect(await listIds({ tenant, metadata: { colour: 'red', size: 'm' } }, 10)).toEqual([[]]);
      expect(await listIds({ tenant, metadata: {} }, 10)).toEqual([['none', 'large', 'both', 'red']]);
      expect(await listIds({ tenant, metadata: { colour: 'red' }, states: ['completed'] }, 10)).toEqual([[]]);
    });

    it('finds metadata by name and value whatever characters they hold, and nothing else', async () => {
      const tricky = [
        '',
        '"',
        "'",
        '\\',
        '$',
        '$.a',
        'a.b',
        'a"]',
        "a' OR 1=1 --",
        '\u0000',
        '%',
        '*',
        '__proto__',
        '💡',
        'é',
        'é',
      ];
      const text = fc.oneof(fc.constantFrom(...tricky), fc.string({ unit: 'binary', maxLength: 8 }));
      await fc.assert(
        fc.asyncProperty(text, text, text, async (name, value, otherText) => {
          fc.pre(otherText !== name && otherText !== value);
          const tenant = newTenant();
          await create(newJob(tenant, { id: 'found', metadata: Object.fromEntries([[name, value]]) }));
          await create(newJob(tenant, { id: 'other-name', metadata: Object.fromEntries([[otherText, value]]) }));
          await create(newJob(tenant, { id: 'other-value', metadata: Object.fromEntries([[name, otherText]]) }));
          const metadata = Object.fromEntries([[name, value]]);
          const { records } = await store().list({ tenant, metadata }, { limit: 10 });
          expect(records.map(({ id }) => id)).toEqual(['found']);
          expect(Object.entries(records[0]!.metadata)).toEqual([[name, value]]);
        }),
        { numRuns: 60 },
      );
    });

    it.each(['', '.', ':', '=', '/', '","', '\\', '\u0000'])(
      'never takes part of a name for part of a value (%j)',
      async (mark) => {
        const tenant = newTenant();
        await create(newJob(tenant, { id: 'long-name', metadata: { [`a${mark}b`]: 'c' } }));
        await create(newJob(tenant, { id: 'long-value', metadata: { a: `b${mark}c` } }));
        expect(await listIds({ tenant, metadata: { [`a${mark}b`]: 'c' } }, 10)).toEqual([['long-name']]);
        expect(await listIds({ tenant, metadata: { a: `b${mark}c` } }, 10)).toEqual([['long-value']]);
      },
    );

    /** The ids of all pages. */
    async function listIds(filter: JobFilter, limit: number): Promise<string[][]> {
      const pages: JobRecord[][] = [];
      for (;;) {
        const after = pages.at(-1)?.at(-1)?.id;
        const { records, hasMore } = await store().list(filter, after === undefined ? { limit } : { limit, after });
        pages.push(records);
        if (!hasMore) return pages.map((page) => page.map(({ id }) => id));
      }
    }
  });
}
