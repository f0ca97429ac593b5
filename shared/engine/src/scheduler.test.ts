import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockPool } from './kv-blocks.ts';
import { Scheduler, type Work } from './scheduler.ts';
import { Sequence } from './sequence.ts';

const limits = { maxSequences: 4, stepTokenBudget: 16, promptLogitsPerStep: 8 };

function prompt(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** Draws a token for every sequence whose computed tokens have caught up. */
function draw(scheduler: Scheduler, work: Work[]): Sequence[] {
  scheduler.commit(work);
  const grown = work.map((one) => one.sequence).filter((one) => one.state === 'running' && one.remaining === 0);
  for (const sequence of grown) sequence.tokens.push(7);
  return grown;
}

describe('BlockPool', () => {
  it('hands each block out once and refuses more than it has', () => {
    const pool = new BlockPool(16, 5);
    expect(pool.allocate(2)).toEqual([0, 1]);
    const more = pool.allocate(3);
    expect(pool.freeCount).toBe(0);
    expect(() => pool.allocate(1)).toThrow(RangeError);
    pool.release(more);
    expect([pool.freeCount, pool.usedCount]).toEqual([3, 2]);
    expect([pool.blocksFor(1), pool.blocksFor(16), pool.blocksFor(17)]).toEqual([1, 1, 2]);
  });
});

describe('Scheduler', () => {
  it('never lets a running text wait for a long prompt: its row is in every step, the prompt takes what is left', () => {
    const scheduler = new Scheduler(new BlockPool(4, 100), limits);
    const short = new Sequence(prompt(3));
    scheduler.add(short);
    draw(scheduler, scheduler.schedule());
    const long = new Sequence(prompt(100));
    scheduler.add(long);
    let steps = 0;
    while (long.computed < 100) {
      const work = scheduler.schedule();
      expect(work[0]).toMatchObject({ sequence: short, count: 1 });
      expect(work[1]?.count).toBe(Math.min(15, 100 - long.computed));
      draw(scheduler, work);
      steps++;
    }
    expect(steps).toBe(7);
  });

  it('takes no more prompt rows than it is told for a step beside running texts, and for one without', () => {
    const few = (besideTexts: boolean) => (besideTexts ? 5 : 12);
    const scheduler = new Scheduler(new BlockPool(4, 100), limits);
    const short = new Sequence(prompt(3));
    scheduler.add(short);
    draw(scheduler, scheduler.schedule(few));
    const long = new Sequence(prompt(60));
    scheduler.add(long);
    const beside = scheduler.schedule(few);
    expect(beside.map((one) => one.count)).toEqual([1, 5]);
    draw(scheduler, beside);
    scheduler.remove(short);
    expect(scheduler.schedule(few).map((one) => one.count)).toEqual([12]);
  });

  it('admits only when a slot and enough blocks are free, and frees both at once on removal', () => {
    const pool = new BlockPool(4, 5);
    const scheduler = new Scheduler(pool, limits);
    const first = new Sequence(prompt(8));
    const second = new Sequence(prompt(9));
    scheduler.add(first);
    scheduler.add(second);
    expect(scheduler.schedule().map((one) => one.sequence)).toEqual([first]);
    expect([scheduler.runningCount, scheduler.waitingCount]).toEqual([1, 1]);
    scheduler.remove(first);
    expect(pool.usedCount).toBe(0);
    expect(scheduler.schedule().map((one) => one.sequence)).toEqual([second]);
    scheduler.remove(second);
    scheduler.remove(second);
    expect([pool.usedCount, scheduler.runningCount, scheduler.waitingCount]).toEqual([0, 0, 0]);
  });

  it('preempts the youngest when blocks run out, and the oldest always goes on', () => {
    const pool = new BlockPool(2, 4);
    const scheduler = new Scheduler(pool, limits);
    const old = new Sequence(prompt(2));
    const young = new Sequence(prompt(2));
    scheduler.add(old);
    scheduler.add(young);
    for (let step = 0; step < 6; step++) {
      const work = scheduler.schedule();
      expect(work.some((one) => one.sequence === old)).toBe(true);
      draw(scheduler, work);
    }
    expect(scheduler.preemptions).toBeGreaterThan(0);
    expect(young.state).toBe('waiting');
    expect(young.computed).toBe(0);
    scheduler.remove(old);
    expect(scheduler.schedule()).toEqual([{ sequence: young, from: 0, count: young.tokens.length, draft: [] }]);
  });

  it('asks for prompt logits in bounded portions and, after a preemption, only for those still lacking', () => {
    const pool = new BlockPool(4, 100);
    const scheduler = new Scheduler(pool, limits);
    const sequence = new Sequence(prompt(20), [], 0);
    scheduler.add(sequence);
    const counts: number[] = [];
    while (sequence.remaining > 0) {
      const work = scheduler.schedule();
      counts.push(work[0]!.count);
      scheduler.commit(work);
    }
    expect(counts).toEqual([8, 8, 4]);
    expect(sequence.logitsFrom).toBe(Number.POSITIVE_INFINITY);
  });

  it('holds for any arrivals and removals: budget kept, blocks disjoint, covered and accounted for, all sequences end', () => {
    const arrivals = fc.array(
      fc.record({
        prompt: fc.integer({ min: 1, max: 40 }),
        output: fc.integer({ min: 1, max: 20 }),
        echo: fc.boolean(),
        removeAt: fc.option(fc.integer({ min: 0, max: 30 })),
      }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(arrivals, fc.integer({ min: 15, max: 40 }), (jobs, blockCount) => {
        const pool = new BlockPool(4, blockCount);
        const scheduler = new Scheduler(pool, limits);
        const live = jobs.map((job) => ({
          ...job,
          sequence: new Sequence(prompt(job.prompt), [], job.echo ? 0 : undefined),
        }));
        for (const job of live) scheduler.add(job.sequence);
        const pending = new Set(live);
        for (let step = 0; pending.size > 0; step++) {
          expect(step).toBeLessThan(5000);
          for (const job of [...pending].filter((one) => one.removeAt === step)) {
            scheduler.remove(job.sequence);
            pending.delete(job);
          }
          const work = scheduler.schedule();
          expect(work.length).toBe(new Set(work.map((one) => one.sequence)).size);
          expect(work.length > 0 || pending.size === 0).toBe(true);
          expect(work.reduce((sum, one) => sum + one.count, 0)).toBeLessThanOrEqual(limits.stepTokenBudget);
          for (const { sequence, from, count } of work) {
            expect(from).toBe(sequence.computed);
            expect(sequence.blocks.length * 4).toBeGreaterThanOrEqual(from + count);
          }
          const held = live.flatMap((job) => job.sequence.blocks);
          expect(new Set(held).size).toBe(held.length);
          expect(held.length).toBe(pool.usedCount);
          draw(scheduler, work);
          for (const job of [...pending]) {
            if (job.sequence.tokens.length < job.prompt + job.output) continue;
            scheduler.remove(job.sequence);
            pending.delete(job);
          }
        }
        expect(pool.usedCount).toBe(0);
      }),
    );
  });

  it('refuses a step budget that running texts could use up', () => {
    expect(() => new Scheduler(new BlockPool(1, 1), { ...limits, stepTokenBudget: 4 })).toThrow(RangeError);
  });
});
