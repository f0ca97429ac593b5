import type { Fact } from '@inkwell/contracts';
import { createLog } from '@inkwell/observability';
import { currentBudget, withBudget } from '@inkwell/resilience';
import { describe, expect, it } from 'vitest';
import { FactTrail } from './fact-trail.ts';

const log = createLog({ level: 'silent', name: 'test' });
const fact = (id: string): Fact => ({ version: 1, id, kind: 'audit', subject: 's', at: 1, body: {} });

class TestLog {
  down = false;
  readonly told: string[] = [];
  async publish({ id }: Fact): Promise<void> {
    if (this.down) throw new Error('down');
    this.told.push(id);
  }
}

describe('facts on their way to the log', () => {
  it('behind an answer are tried again until the log is back, each told once', async () => {
    const factLog = new TestLog();
    const trail = new FactTrail(factLog, log);
    factLog.down = true;
    const ids = Array.from({ length: 50 }, (_, index) => `${index}`);
    for (const id of ids) trail.publishBehind(fact(id));
    await new Promise(setImmediate);
    factLog.down = false;
    await trail.settle(30_000);
    expect(factLog.told.sort()).toEqual(ids.sort());
  });

  it('are never dropped: with no room left acts are refused, and allowed again when there is', async () => {
    const factLog = new TestLog();
    const trail = new FactTrail(factLog, log, 3);
    factLog.down = true;
    for (const id of ['1', '2', '3']) {
      trail.ensureRoom();
      trail.publishBehind(fact(id));
    }
    expect(() => trail.ensureRoom()).toThrow(expect.objectContaining({ code: 'dependency_unavailable' }));
    factLog.down = false;
    await trail.settle(30_000);
    trail.ensureRoom();
    expect(factLog.told.sort()).toEqual(['1', '2', '3']);
  });

  it('behind an answer neither spend the budget of their request nor end with it', async () => {
    const spent: string[] = [];
    class Asking extends TestLog {
      override async publish(one: Fact): Promise<void> {
        if (currentBudget() !== undefined) spent.push(one.id);
        await super.publish(one);
      }
    }
    const factLog = new Asking();
    const trail = new FactTrail(factLog, log);
    factLog.down = true;
    await withBudget(1_000, async () => {
      trail.publishBehind(fact('behind'));
      trail.hold('a', fact('held'));
      await new Promise(setImmediate);
    });
    factLog.down = false;
    await expect.poll(() => factLog.told.toSorted(), { timeout: 30_000 }).toEqual(['behind', 'held']);
    expect(spent).toEqual([]);
    await withBudget(1_000, () => trail.publish(fact('awaited')));
    expect(spent).toEqual(['awaited']);
  });

  it('that are held are told a second later, or at the close, unless another tells them', async () => {
    const factLog = new TestLog();
    const trail = new FactTrail(factLog, log, 2);
    trail.hold('a', fact('dropped'));
    trail.hold('b', fact('told'));
    expect(() => trail.ensureRoom()).toThrow(expect.objectContaining({ code: 'dependency_unavailable' }));
    trail.drop('a');
    trail.drop('unknown');
    trail.ensureRoom();
    expect(factLog.told).toEqual([]);
    await expect.poll(() => factLog.told, { timeout: 30_000 }).toEqual(['told']);
    trail.hold('a', fact('last'));
    await trail.settle(30_000);
    expect(factLog.told).toEqual(['told', 'last']);
  });

  it('hold up nobody who closes longer than they may', async () => {
    const factLog = new TestLog();
    factLog.down = true;
    const trail = new FactTrail(factLog, log);
    trail.publishBehind(fact('1'));
    await trail.settle(5);
    expect(factLog.told).toEqual([]);
  });
});
