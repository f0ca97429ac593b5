/** What every SessionStore promises. */
import { randomUUID } from 'node:crypto';
import type { SessionRecord } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

function newSession(changes: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: `ses_${randomUUID()}`,
    userId: `user_${randomUUID()}`,
    kind: 'tokens',
    secretHash: 'hash-1',
    generation: 1,
    createdAt: 1000.5,
    lastUsedAt: 1000.5,
    expiresAt: 10_000,
    revokedAt: null,
    ip: '::1',
    userAgent: 'test "é"',
    ...changes,
  };
}

const rotation = (generation: number, changes: object = {}) => ({
  generation,
  secretHash: `hash-${generation}`,
  nextSecretHash: `hash-${generation + 1}`,
  at: 2000,
  expiresAt: 20_000,
  ...changes,
});

export function sessionStoreConformance(makeAdapter: MakeAdapter<'sessionStore'>): void {
  describe('SessionStore', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().sessionStore;

    async function created(changes: Partial<SessionRecord> = {}): Promise<SessionRecord> {
      const session = newSession(changes);
      await store().create(session);
      return session;
    }

    it('keeps a session, every field as given', async () => {
      const session = await created();
      expect(await store().get(session.id)).toEqual(session);
      expect(await store().get('ses_unknown')).toBeUndefined();
    });

    it('rotates from generation to generation', async () => {
      const session = await created();
      const second = { ...session, secretHash: 'hash-2', generation: 2, lastUsedAt: 2000, expiresAt: 20_000 };
      expect(await store().rotate(session.id, rotation(1))).toEqual({ outcome: 'rotated', session: second });
      expect(await store().get(session.id)).toEqual(second);
      expect(await store().rotate(session.id, rotation(2))).toMatchObject({ outcome: 'rotated' });
    });

    it('revokes the family when an old generation comes back, for good', async () => {
      const session = await created();
      await store().rotate(session.id, rotation(1));
      expect(await store().rotate(session.id, rotation(1, { at: 3000 }))).toMatchObject({
        outcome: 'reused',
        session: { id: session.id, revokedAt: 3000 },
      });
      expect(await store().get(session.id)).toMatchObject({ revokedAt: 3000, generation: 2 });
      expect(await store().rotate(session.id, rotation(2))).toEqual({ outcome: 'ended' });
    });

    it('lets one of 10 rotations of the same generation win; the others revoke the family', async () => {
      const session = await created();
      const answers = await atOnce(10, (index) =>
        store().rotate(session.id, rotation(1, { nextSecretHash: `n-${index}` })),
      );
      expect(answers.filter(({ outcome }) => outcome === 'rotated')).toHaveLength(1);
      expect(answers.filter(({ outcome }) => outcome === 'reused')).toHaveLength(1);
      expect((await store().get(session.id))?.revokedAt).toBe(2000);
    });

    it('refuses a secret that is not the newest of its generation', async () => {
      const session = await created();
      expect(await store().rotate(session.id, rotation(1, { secretHash: 'other' }))).toMatchObject({
        outcome: 'reused',
      });
      expect(await store().rotate(session.id, rotation(1))).toEqual({ outcome: 'ended' });
    });

    it('ends when its time is over, or it is unknown', async () => {
      const session = await created();
      expect(await store().rotate(session.id, rotation(1, { at: 10_000 }))).toEqual({ outcome: 'ended' });
      expect(await store().rotate('ses_unknown', rotation(1))).toEqual({ outcome: 'ended' });
    });

    it('is revoked once', async () => {
      const session = await created();
      const answers = await atOnce(5, (index) => store().revoke(session.id, 3000 + index));
      expect(answers.filter(Boolean)).toHaveLength(1);
      expect(await store().rotate(session.id, rotation(1))).toEqual({ outcome: 'ended' });
      expect(await store().revoke('ses_unknown', 1)).toBe(false);
    });

    it("lists a person's live ones, newest first, and removes those long over", async () => {
      const userId = `user_${randomUUID()}`;
      const [older, newer] = [await created({ userId, createdAt: 1 }), await created({ userId, createdAt: 2 })];
      const over = await created({ userId, expiresAt: 4000 });
      const revoked = await created({ userId });
      await store().revoke(revoked.id, 3000);
      await created();
      expect(await store().listLive(userId, 5000)).toEqual([newer, older]);
      expect(await store().pruneSessions(5000)).toBeGreaterThanOrEqual(1);
      expect(await store().get(over.id)).toBeUndefined();
      expect(await store().get(older.id)).toEqual(older);
    });
  });
}
