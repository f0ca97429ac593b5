/** What every AttemptStore promises. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

const rule = { delaysMs: [0, 0, 1000, 2000], forgetMs: 60_000 };

export function attemptStoreConformance(makeAdapter: MakeAdapter<'attemptStore'>): void {
  describe('AttemptStore', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().attemptStore;

    it('lets tries wait longer and longer, up to the last step', async () => {
      const subject = randomUUID();
      const begin = (now: number) => store().begin(subject, now, rule);
      expect([await begin(0), await begin(0), await begin(0)]).toEqual(['allowed', 'allowed', 'allowed']);
      expect(await begin(0)).toEqual({ retryAfterMs: 1000 });
      expect(await begin(400)).toEqual({ retryAfterMs: 600 });
      expect(await begin(1000)).toBe('allowed');
      expect(await begin(1001)).toEqual({ retryAfterMs: 1999 });
      expect(await begin(3000)).toBe('allowed');
      expect(await begin(3000)).toEqual({ retryAfterMs: 2000 });
    });

    it('counts every one of 30 tries at once', async () => {
      const subject = randomUUID();
      const answers = await atOnce(30, () => store().begin(subject, 0, rule));
      expect(answers.filter((answer) => answer === 'allowed')).toHaveLength(3);
    });

    it('forgets after a success, and after a long silence', async () => {
      const subject = randomUUID();
      for (let round = 0; round < 3; round++) await store().begin(subject, 0, rule);
      await store().clear(subject);
      expect(await store().begin(subject, 0, rule)).toBe('allowed');
      for (let round = 0; round < 2; round++) await store().begin(subject, 0, rule);
      for (let round = 0; round < 3; round++) expect(await store().begin(subject, 60_001, rule)).toBe('allowed');
      await store().clear('unknown');
    });

    it('lets a text be used once until its time is over', async () => {
      const text = randomUUID();
      const answers = await atOnce(20, () => store().useOnce(text, 0, 1000));
      expect(answers.filter(Boolean)).toHaveLength(1);
      expect(await store().useOnce(text, 999, 2000)).toBe(false);
      expect(await store().useOnce(text, 1000, 2000)).toBe(true);
      expect(await store().useOnce(text, 1001, 2000)).toBe(false);
    });

    it('removes what is forgotten and nothing else', async () => {
      const [gone, kept] = [randomUUID(), randomUUID()];
      await store().useOnce(gone, 0, 1000);
      await store().useOnce(kept, 0, 9000);
      expect(await store().pruneAttempts(5000)).toBeGreaterThanOrEqual(1);
      expect(await store().useOnce(kept, 5000, 9000)).toBe(false);
    });
  });
}
