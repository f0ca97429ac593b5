import { priorities } from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FairItem, FairQueue } from './fair-queue.ts';

const quantum = 100;

function item(
  key: string,
  tenant: string,
  costTokens: number,
  priority = priorities[1] as FairItem<string>['priority'],
) {
  return { key, tenant, priority, costTokens, value: key };
}

function drain(queue: FairQueue<string>): FairItem<string>[] {
  const taken: FairItem<string>[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) taken.push(next);
  return taken;
}

const arbitraryItems = fc
  .array(
    fc.record({
      tenant: fc.constantFrom('a', 'b', 'c', 'd'),
      priority: fc.constantFrom(...priorities),
      costTokens: fc.oneof(fc.integer({ min: 1, max: 120 }), fc.integer({ min: 1, max: 5000 })),
    }),
    { maxLength: 60 },
  )
  .map((items) => items.map((one, i) => ({ ...one, key: `k${i}`, value: `k${i}` })));

describe('FairQueue', () => {
  it('is work conserving and loses nothing: as long as a job waits, one is handed out, each exactly once', () => {
    fc.assert(
      fc.property(arbitraryItems, (items) => {
        const queue = new FairQueue<string>(quantum);
        for (const one of items) expect(queue.push(one)).toBe(true);
        expect(queue.size).toBe(items.length);
        expect(
          drain(queue)
            .map((one) => one.key)
            .sort(),
        ).toEqual(items.map((one) => one.key).sort());
        expect(queue.peek()).toBeUndefined();
      }),
    );
  });

  it('hands out nothing of a later class while an earlier one waits, and each tenant first in first out', () => {
    fc.assert(
      fc.property(arbitraryItems, (items) => {
        const queue = new FairQueue<string>(quantum);
        for (const one of items) queue.push(one);
        const taken = drain(queue);
        const ranks = taken.map((one) => priorities.indexOf(one.priority));
        expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
        for (const priority of priorities) {
          for (const tenant of ['a', 'b', 'c', 'd']) {
            const mine = (one: FairItem<string>) => one.tenant === tenant && one.priority === priority;
            expect(taken.filter(mine)).toEqual(items.filter(mine));
          }
        }
      }),
    );
  });

  it('serves tenants that always wait equal tokens, within a quantum and one job, whatever their job sizes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 2, maxLength: 5 }),
        fc.integer({ min: 50, max: 400 }),
        (costs, rounds) => {
          const queue = new FairQueue<string>(quantum);
          const served = costs.map(() => 0);
          costs.forEach((cost, t) => {
            for (let i = 0; i < 2; i++) queue.push(item(`${t}/${i}`, `t${t}`, cost));
          });
          for (let i = 0; i < rounds; i++) {
            const next = queue.take()!;
            const tenant = Number(next.tenant.slice(1));
            served[tenant]! += next.costTokens;
            queue.push(item(`${tenant}/${i + 2}`, next.tenant, next.costTokens));
            const spread = Math.max(...served) - Math.min(...served);
            expect(spread).toBeLessThanOrEqual(2 * quantum + 2 * Math.max(...costs));
          }
        },
      ),
    );
  });

  it("a tenant with 1,000 queued delays another's single job by at most a quantum and one job", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 900 }), (cost, before) => {
        const queue = new FairQueue<string>(quantum);
        for (let i = 0; i < 1000; i++) queue.push(item(`big/${i}`, 'big', cost));
        for (let i = 0; i < before; i++) queue.take();
        queue.push(item('small', 'small', 60));
        let tokensBetween = 0;
        for (let next = queue.take()!; next.key !== 'small'; next = queue.take()!) tokensBetween += next.costTokens;
        expect(tokensBetween).toBeLessThanOrEqual(quantum + cost);
      }),
    );
  });

  it('an idle tenant keeps no credit, and cancelling a costly job leaves no more than a quantum', () => {
    const queue = new FairQueue<string>(quantum);
    queue.push(item('costly', 'sly', 5000));
    for (let i = 0; i < 50; i++) queue.push(item(`cheap/${i}`, 'sly', 100));
    for (let i = 0; i < 90; i++) queue.push(item(`fair/${i}`, 'fair', 100));
    for (let i = 0; i < 40; i++) expect(queue.take()?.tenant).toBe('fair');
    queue.remove('costly');
    const next = Array.from({ length: 20 }, () => queue.take()?.tenant);
    expect(next.filter((tenant) => tenant === 'sly').length).toBeLessThanOrEqual(11);

    const fresh = new FairQueue<string>(quantum);
    fresh.push(item('a1', 'a', 1));
    fresh.take();
    for (let i = 0; i < 10; i++) {
      fresh.push(item(`b${i}`, 'b', 100));
      fresh.push(item(`a${i + 2}`, 'a', 100));
    }
    expect(
      drain(fresh)
        .map((one) => one.tenant)
        .join(''),
    ).toBe('ba'.repeat(10));
  });

  it('takes a job out anywhere without disturbing the others', () => {
    fc.assert(
      fc.property(arbitraryItems, fc.array(fc.nat(), { maxLength: 30 }), (items, picks) => {
        const queue = new FairQueue<string>(quantum);
        for (const one of items) queue.push(one);
        const left = new Set(items.map((one) => one.key));
        for (const pick of picks) {
          const key = `k${pick % (items.length + 1)}`;
          queue.peek();
          expect(queue.remove(key)).toBe(left.has(key) ? key : undefined);
          left.delete(key);
          expect(queue.has(key)).toBe(false);
        }
        expect(priorities.reduce((sum, priority) => sum + queue.sizeOf(priority), 0)).toBe(left.size);
        expect(new Set(drain(queue).map((one) => one.key))).toEqual(left);
      }),
    );
  });

  it('shows what it will hand out, and refuses what already waits', () => {
    const queue = new FairQueue<string>(quantum);
    queue.push(item('x', 'a', 950));
    queue.push(item('y', 'b', 700));
    expect(queue.push(item('x', 'a', 1))).toBe(false);
    const shown = queue.peek();
    expect(queue.peek()).toBe(shown);
    expect(queue.get('x')).toBe('x');
    expect(queue.take()).toBe(shown);
    expect(() => queue.push(item('z', 'a', 0))).toThrow(RangeError);
    expect(() => new FairQueue(0)).toThrow(RangeError);
  });

  it('picks among 10,000 tenants with costs far above the quantum without walking the ring round after round', () => {
    const queue = new FairQueue<string>(1);
    for (let i = 0; i < 10_000; i++) queue.push(item(`k${i}`, `t${i}`, 1_000_000 + i));
    const start = process.cpuUsage().user;
    expect(queue.take()?.key).toBe('k0');
    expect(process.cpuUsage(undefined).user - start).toBeLessThan(2_000_000);
  });
});
