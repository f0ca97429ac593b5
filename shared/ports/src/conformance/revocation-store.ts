/** What every RevocationStore promises. */
import { randomUUID } from 'node:crypto';
import type { Revocation } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

const revocation = (at: number, expiresAt = 10_000): Revocation => ({ subject: `key:${randomUUID()}`, at, expiresAt });

export function revocationStoreConformance(makeAdapter: MakeAdapter<'revocationStore'>): void {
  describe('RevocationStore', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().revocationStore;
    const found = async (from: number, now: number, ...wanted: Revocation[]) => {
      const subjects = new Set(wanted.map(({ subject }) => subject));
      return (await store().since(from, now)).filter(({ subject }) => subjects.has(subject));
    };

    it('finds what was revoked since, as long as it matters', async () => {
      const [early, late, over] = [revocation(1000), revocation(2000), revocation(2000, 3000)];
      for (const one of [early, late, over]) await store().add(one);
      expect(await found(2000, 4000, early, late, over)).toEqual([late]);
      expect(await found(0, 2500, early, late, over)).toHaveLength(3);
    });

    it('keeps the latest time of a subject, in whatever order they come', async () => {
      const one = revocation(1000);
      await atOnce(10, (index) => store().add({ ...one, at: 1000 + index, expiresAt: 10_000 + index }));
      await store().add({ ...one, at: 500, expiresAt: 600 });
      expect(await found(0, 700, one)).toEqual([{ ...one, at: 1009, expiresAt: 10_009 }]);
    });

    it('removes what no longer matters', async () => {
      const [over, live] = [revocation(1000, 2000), revocation(1000)];
      for (const one of [over, live]) await store().add(one);
      expect(await store().pruneRevocations(2001)).toBeGreaterThanOrEqual(1);
      expect(await found(0, 0, over, live)).toEqual([live]);
    });
  });
}
