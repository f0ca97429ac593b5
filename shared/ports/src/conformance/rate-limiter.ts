/** What every RateLimiter promises: never too much, all or nothing, and what wasn't used comes back once. The suite sets the clock. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Limit, LimitWindow, TakeResult } from '../rate-limiter.ts';
import { type Adapter, atOnce, newTenant } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

/** `now` is the clock that `advance` moves. */
type MakeRateLimiter = () => Promise<Adapter<'rateLimiter'> & { now(): number }>;

const minuteMs = 60_000;
const slotMs = 3_000;

const limitOf = (unit: Limit['unit'], amount: number, window: LimitWindow = 'minute'): Limit => ({
  name: `${newTenant()}:${unit}:${window}`,
  unit,
  window,
  amount,
});
const granted = (answers: readonly TakeResult[]) => answers.filter(({ outcome }) => outcome === 'granted').length;

export function rateLimiterConformance(makeAdapter: MakeRateLimiter): void {
  describe('RateLimiter', () => {
    const adapter = withAdapter(makeAdapter);
    const limiter = () => adapter().rateLimiter;
    const newId = () => newTenant().replace('tenant', 'job');
    const take = (limits: Limit[], tokens = 1, id = newId()) => limiter().take({ id, limits, tokens });
    const used = async (...limits: Limit[]) => (await limiter().usage(limits)).map((use) => use.used);

    it('grants exactly N of 200 requests at once', async () => {
      const limit = limitOf('requests', 37);
      expect(granted(await atOnce(200, () => take([limit])))).toBe(37);
      expect(await used(limit)).toEqual([37]);
    });

    it('grants never more than L tokens of 200 requests at once, and no less than fits', async () => {
      const limit = limitOf('tokens', 1_000);
      const costs = Array.from({ length: 200 }, (_, index) => 1 + ((index * 37) % 60));
      const answers = await atOnce(200, async (index) => ({
        cost: costs[index]!,
        answer: await take([limit], costs[index]),
      }));
      const sum = answers.reduce((total, { cost, answer }) => total + (answer.outcome === 'granted' ? cost : 0), 0);
      expect(await used(limit)).toEqual([sum]);
      expect(sum).toBeLessThanOrEqual(1_000);
      // The cheapest costs one token: as long as one was left, it was granted.
      expect(sum).toBeGreaterThan(1_000 - 60);
    });

    it('never refuses a lone first request for its own reservation', async () => {
      const limits = [limitOf('requests', 1), limitOf('tokens', 500), limitOf('tokens', 500, 'day')];
      expect(await take(limits, 500)).toMatchObject({
        outcome: 'granted',
        uses: [{ used: 1 }, { used: 500 }, { used: 500 }],
      });
    });

    it('says of a request larger than a limit that it never fits, whatever else refuses it', async () => {
      const [requests, tokens] = [limitOf('requests', 1), limitOf('tokens', 500)];
      expect(await take([tokens], 501)).toMatchObject({ outcome: 'refused', by: tokens, retryAt: null });
      await take([requests]);
      expect(await take([requests, tokens, requests], 501)).toMatchObject({ by: tokens, retryAt: null });
      expect(await used(tokens)).toEqual([0]);
    });

    it('takes of all limits or of none', async () => {
      const [roomy, full] = [limitOf('requests', 100), limitOf('requests', 3)];
      const budget = limitOf('tokens', 1_000, 'month');
      const answers = await atOnce(50, () => take([roomy, full, budget], 10));
      expect(granted(answers)).toBe(3);
      expect(await used(roomy, full, budget)).toEqual([3, 3, 30]);
    });

    it('counts every name by itself', async () => {
      const limits = [limitOf('requests', 1), limitOf('requests', 1)];
      for (const limit of limits) expect(await take([limit])).toMatchObject({ outcome: 'granted' });
    });

    it('gives a minute back between 60 and 63 seconds after it was taken', async () => {
      const limit = limitOf('requests', 1);
      await take([limit]);
      await adapter().advance(minuteMs - 1);
      expect(await take([limit])).toMatchObject({ outcome: 'refused' });
      await adapter().advance(slotMs + 1);
      expect(await take([limit])).toMatchObject({ outcome: 'granted' });
    });

    it('names the moment from which the refused request fits, and means it', async () => {
      const limit = limitOf('tokens', 100);
      const start = adapter().now();
      for (const tokens of [40, 30, 20]) {
        await take([limit], tokens);
        await adapter().advance(4_000);
      }
      const refused = await take([limit], 60);
      if (refused.outcome !== 'refused' || refused.retryAt === null) throw new Error('expected a refusal');
      // 90 are taken, 60 are wanted: the first 40 and then the 30 must have left.
      expect(refused.retryAt - start).toBeGreaterThan(minuteMs + 4_000);
      await adapter().advance(refused.retryAt - 1 - adapter().now());
      expect(await take([limit], 60)).toMatchObject({ outcome: 'refused', retryAt: refused.retryAt });
      await adapter().advance(1);
      expect(await take([limit], 60)).toMatchObject({ outcome: 'granted' });
    });

    it('says when something comes back, and that nothing is taken', async () => {
      const [minute, day] = [limitOf('requests', 5), limitOf('tokens', 5, 'day')];
      const fresh = await limiter().usage([minute, day]);
      expect(fresh.map(({ returnsAt }) => returnsAt)).toEqual([null, null]);
      const { uses } = await take([minute, day]);
      expect(uses[0]!.returnsAt! - adapter().now()).toBeGreaterThan(minuteMs);
      expect(uses[0]!.returnsAt! - adapter().now()).toBeLessThanOrEqual(minuteMs + slotMs);
      expect(new Date(uses[1]!.returnsAt!).toISOString()).toMatch(/T00:00:00.000Z$/);
      await adapter().advance(minuteMs + slotMs);
      expect((await limiter().usage([minute])).map((use) => [use.used, use.returnsAt])).toEqual([[0, null]]);
    });

    it('begins a budget anew with its day or month, in UTC', async () => {
      for (const window of ['day', 'month'] as const) {
        const limit = limitOf('tokens', 10, window);
        await take([limit], 10);
        const refused = await take([limit], 1);
        if (refused.outcome !== 'refused' || refused.retryAt === null) throw new Error('expected a refusal');
        const begins = new Date(refused.retryAt);
        expect(begins.toISOString()).toMatch(window === 'day' ? /T00:00:00.000Z$/ : /-01T00:00:00.000Z$/);
        await adapter().advance(refused.retryAt - 1 - adapter().now());
        expect(await take([limit], 1), window).toMatchObject({ outcome: 'refused' });
        await adapter().advance(1);
        expect(await take([limit], 10), window).toMatchObject({ outcome: 'granted', uses: [{ used: 10 }] });
      }
    });

    it('gives back what a job did not use, at once and in all its limits', async () => {
      const limits = [limitOf('requests', 10), limitOf('tokens', 100), limitOf('tokens', 100, 'month')];
      await take(limits, 100, 'job-a');
      expect(await take(limits, 1)).toMatchObject({ outcome: 'refused' });
      expect(await limiter().settle('job-a', 30)).toBe(true);
      expect(await used(...limits)).toEqual([1, 30, 30]);
      expect(await take(limits, 70)).toMatchObject({ outcome: 'granted' });
    });

    it('settles a job once, however often it is told', async () => {
      const limit = limitOf('tokens', 100);
      const [id, unknown] = [newId(), newId()];
      await take([limit], 60, id);
      const answers = await atOnce(20, (index) => limiter().settle(id, 10 + index));
      expect(answers.filter(Boolean)).toHaveLength(1);
      expect(await used(limit)).toEqual([10 + answers.indexOf(true)]);
      expect(await limiter().settle(unknown, 5)).toBe(false);
    });

    it('takes once for an id that is taken for many times, until it is settled', async () => {
      const limits = [limitOf('requests', 2), limitOf('tokens', 100)];
      const id = newId();
      const answers = await atOnce(20, () => take(limits, 40, id));
      expect(granted(answers)).toBe(1);
      expect(answers.filter(({ outcome }) => outcome === 'held')).toHaveLength(19);
      expect(await used(...limits)).toEqual([1, 40]);
      await limiter().settle(id, 0);
      expect(await take(limits, 40, id)).toMatchObject({ outcome: 'granted' });
    });

    it('settles into the minute and the day of the taking, and never below zero', async () => {
      const [minute, day] = [limitOf('tokens', 100), limitOf('tokens', 100, 'day')];
      const id = newId();
      const { uses } = await take([minute, day], 80, id);
      await adapter().advance(uses[1]!.returnsAt! - adapter().now());
      await take([minute, day], 50);
      expect(await limiter().settle(id, 0)).toBe(true);
      expect(await used(minute, day)).toEqual([50, 50]);
      const other = newId();
      await take([minute, day], 50, other);
      await limiter().reset([minute, day]);
      expect(await limiter().settle(other, 10)).toBe(true);
      expect(await used(minute, day)).toEqual([0, 0]);
    });

    it('reserves nothing where no tokens are limited', async () => {
      const [limit, id] = [limitOf('requests', 2), newId()];
      await take([limit], 5, id);
      expect(await limiter().settle(id, 5)).toBe(false);
      expect(await take([limit], 5, id)).toMatchObject({ outcome: 'granted' });
    });

    it('follows a limit that is changed while it is used', async () => {
      const limit = limitOf('requests', 5);
      for (let round = 0; round < 5; round++) await take([limit]);
      expect(await take([{ ...limit, amount: 3 }])).toMatchObject({ outcome: 'refused' });
      expect(await take([{ ...limit, amount: 6 }])).toMatchObject({ outcome: 'granted' });
    });

    it('is not kept shut by those it refuses', async () => {
      const limit = limitOf('requests', 1);
      await take([limit]);
      const first = await take([limit]);
      for (let round = 0; round < 20; round++)
        await adapter()
          .advance(2_500)
          .then(() => take([limit]));
      const last = await take([limit]);
      expect(last).toMatchObject({ outcome: 'refused', retryAt: first.outcome === 'refused' && first.retryAt });
      await adapter().advance(13_000);
      expect(await take([limit])).toMatchObject({ outcome: 'granted' });
    });

    it('can be set to zero', async () => {
      const limits = [limitOf('requests', 1), limitOf('tokens', 10, 'month')];
      await take(limits, 10);
      await limiter().reset(limits);
      expect(await used(...limits)).toEqual([0, 0]);
      expect(await take(limits, 10)).toMatchObject({ outcome: 'granted' });
      await limiter().reset([]);
    });

    it('lets never more than its amount through in any 60 seconds, in any order of takings and settlements', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
          const limit = limitOf('tokens', 100);
          const log: Taking[] = [];
          for (const one of steps) {
            if (one.kind === 'wait') await adapter().advance(one.ms);
            else if (one.kind === 'settle') await settleOldest(log, one.share);
            else await takeAndCheck(limit, log, one.tokens);
          }
        }),
        { numRuns: 60 },
      );
    });

    async function settleOldest(log: Taking[], share: number): Promise<void> {
      const job = log.find(({ open }) => open);
      if (job === undefined) return;
      job.open = false;
      job.tokens = Math.floor(job.tokens * share);
      await limiter().settle(job.id, job.tokens);
    }

    async function takeAndCheck(limit: Limit, log: Taking[], tokens: number): Promise<void> {
      const [id, at] = [newId(), adapter().now()];
      const { outcome } = await take([limit], tokens, id);
      if (outcome === 'granted') log.push({ id, at, tokens, open: true });
      const within = (ms: number) =>
        log.filter((entry) => entry.at > at - ms).reduce((sum, entry) => sum + entry.tokens, 0);
      if (outcome === 'granted') expect(within(minuteMs)).toBeLessThanOrEqual(limit.amount);
      else expect(within(minuteMs + slotMs) + tokens).toBeGreaterThan(limit.amount);
    }
  });
}

interface Taking {
  id: string;
  at: number;
  /** Reserved, or what it was settled for. */
  tokens: number;
  open: boolean;
}

const step = fc.oneof(
  fc.record({ kind: fc.constant('take' as const), tokens: fc.integer({ min: 1, max: 60 }) }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
  fc.record({ kind: fc.constant('settle' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
);
