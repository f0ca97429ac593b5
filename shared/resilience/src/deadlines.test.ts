import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { DeadlineError, Deadlines } from './deadline.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const after = (ms: number, outcome: () => string) =>
  new Promise<string>((resolve, reject) => {
    setTimeout(() => {
      try {
        resolve(outcome());
      } catch (error) {
        reject(error);
      }
    }, ms);
  });

it('answers what the work answers or throws, at once or later', async () => {
  const deadlines = new Deadlines(1_000);
  const thrown = new Error('no');
  const late = deadlines.bound(() => after(999, () => 'late'), 'ask');
  await expect(deadlines.bound(async () => 'now', 'ask')).resolves.toBe('now');
  await expect(deadlines.bound(() => Promise.reject(thrown), 'ask')).rejects.toBe(thrown);
  const throws = () => {
    throw thrown;
  };
  await expect(deadlines.bound(throws, 'ask')).rejects.toBe(thrown);
  await vi.advanceTimersByTimeAsync(999);
  await expect(late).resolves.toBe('late');
});

it('gives each of many waits its own end, whenever it began and whatever became of the others', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ pauseMs: fc.nat(400), tookMs: fc.nat(2_000), fails: fc.boolean() }), { maxLength: 30 }),
      async (calls) => {
        const deadlines = new Deadlines(1_000);
        const outcomes: Promise<unknown>[] = [];
        for (const { pauseMs, tookMs, fails } of calls) {
          await vi.advanceTimersByTimeAsync(pauseMs);
          const beganAt = performance.now();
          const work = () =>
            after(tookMs, () => {
              if (fails) throw new Error('failed');
              return 'answered';
            });
          const outcome = deadlines.bound(work, 'ask').catch((error: Error) => error.constructor.name);
          outcomes.push(outcome.then((what) => ({ what, tookMs: Math.round(performance.now() - beganAt) })));
        }
        await vi.advanceTimersByTimeAsync(2_001);
        expect(await Promise.all(outcomes)).toEqual(
          calls.map(({ tookMs, fails }) => {
            // Of two timers for the same moment the one that was set first is first.
            if (tookMs === 1_000) return expect.objectContaining({ tookMs });
            if (tookMs > 1_000) return { what: DeadlineError.name, tookMs: 1_000 };
            return { what: fails ? 'Error' : 'answered', tookMs };
          }),
        );
        expect(vi.getTimerCount()).toBe(0);
      },
    ),
    { numRuns: 100 },
  );
});
