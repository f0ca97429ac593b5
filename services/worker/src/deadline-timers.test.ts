import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DeadlineTimers } from './deadline-timers.ts';

const clock = { now: () => Date.now() };

describe('DeadlineTimers', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('calls back once for every deadline, in their order, not early, and never for what was deleted', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ in: fc.integer({ min: 0, max: 200_000 }), deleted: fc.boolean() }), { maxLength: 40 }),
        (wishes) => {
          const start = clock.now();
          const fired: { key: number; at: number }[] = [];
          const timers = new DeadlineTimers<number>(clock, (key) => fired.push({ key, at: clock.now() }));
          wishes.forEach((wish, key) => {
            timers.set(key, start + wish.in);
          });
          wishes.forEach((wish, key) => {
            if (wish.deleted) timers.delete(key);
          });
          vi.advanceTimersByTime(200_001);
          const expected = wishes.map((wish, key) => ({ ...wish, key })).filter((wish) => !wish.deleted);
          expect(fired.map((one) => one.key).sort((a, b) => a - b)).toEqual(expected.map((wish) => wish.key));
          for (const { key, at } of fired) expect(at - start - wishes[key]!.in).toBeLessThanOrEqual(1);
          for (const { key, at } of fired) expect(at).toBeGreaterThanOrEqual(start + wishes[key]!.in);
          expect(timers.size).toBe(0);
          timers.close();
        },
      ),
    );
  });

  it('replaces the deadline of a key, fires what is past at once, and nothing after close', () => {
    const fired: string[] = [];
    const timers = new DeadlineTimers<string>(clock, (key) => fired.push(key));
    timers.set('a', clock.now() + 100);
    timers.set('a', clock.now() + 300);
    timers.set('past', clock.now() - 5);
    vi.advanceTimersByTime(200);
    expect(fired).toEqual(['past']);
    vi.advanceTimersByTime(100);
    expect(fired).toEqual(['past', 'a']);
    timers.set('never', clock.now() + 10);
    timers.close();
    vi.advanceTimersByTime(1000);
    expect(fired).toHaveLength(2);
  });
});
