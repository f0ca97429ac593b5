/** What every UserStore promises. */
import { randomUUID } from 'node:crypto';
import type { UserRecord } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

function newUser(changes: Partial<UserRecord> = {}): UserRecord {
  const name = randomUUID();
  return {
    id: `user_${name}`,
    username: `name.${name}`,
    email: `${name}@example.org`,
    emailVerified: false,
    tenant: `user_${name}`,
    role: 'user',
    passwordHash: '$argon2id$x',
    githubId: null,
    limits: null,
    createdAt: 1_700_000_000_000.5,
    disabledAt: null,
    ...changes,
  };
}

export function userStoreConformance(makeAdapter: MakeAdapter<'userStore'>): void {
  describe('UserStore', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().userStore;

    it('finds a person by all that names them, every field as given', async () => {
      const user = newUser({
        emailVerified: true,
        githubId: randomUUID(),
        limits: { tokensPerDay: 7 },
        role: 'operator',
      });
      expect(await store().create(user)).toBe('created');
      expect(await store().get(user.id)).toEqual(user);
      expect(await store().findByUsername(user.username)).toEqual(user);
      expect(await store().findByVerifiedEmail(user.email!)).toEqual(user);
      expect(await store().findByGithubId(user.githubId!)).toEqual(user);
      expect(await store().get('user_unknown')).toBeUndefined();
      expect(await store().findByUsername('unknown')).toBeUndefined();
      expect(await store().findByGithubId('unknown')).toBeUndefined();
    });

    it('creates one of 20 people who want the same name, address or GitHub account', async () => {
      const [username, email, githubId] = [randomUUID(), `${randomUUID()}@example.org`, randomUUID()];
      const wishes: [string, Partial<UserRecord>][] = [
        ['username', { username }],
        ['email', { email, emailVerified: true }],
        ['githubId', { githubId }],
        ['id', { id: `user_${randomUUID()}` }],
      ];
      for (const [taken, wish] of wishes) {
        const answers = await atOnce(20, () => store().create(newUser(wish)));
        expect(answers.filter((answer) => answer === 'created')).toHaveLength(1);
        expect(answers.filter((answer) => answer === taken)).toHaveLength(19);
      }
    });

    it('takes an unverified address for no claim', async () => {
      const email = `${randomUUID()}@example.org`;
      const [typed, again, owner] = [newUser({ email }), newUser({ email }), newUser({ email, emailVerified: true })];
      for (const user of [typed, again]) expect(await store().create(user)).toBe('created');
      expect(await store().findByVerifiedEmail(email)).toBeUndefined();
      expect(await store().create(owner)).toBe('created');
      expect(await store().findByVerifiedEmail(email)).toEqual(owner);
      expect(await store().update(typed.id, { emailVerified: true })).toBe('email');
      expect(await store().get(typed.id)).toEqual(typed);
    });

    it('changes what is given, and only when what was expected is so', async () => {
      const user = newUser();
      await store().create(user);
      const changed = { ...user, role: 'superuser' as const, disabledAt: 5 };
      expect(await store().update(user.id, { role: 'superuser', disabledAt: 5 })).toEqual(changed);
      expect(await store().update(user.id, { passwordHash: 'b' }, { passwordHash: 'not this' })).toBe('changed');
      expect(await store().get(user.id)).toEqual(changed);
      const rehashed = { ...changed, passwordHash: 'b' };
      expect(await store().update(user.id, { passwordHash: 'b' }, { passwordHash: user.passwordHash })).toEqual(
        rehashed,
      );
      expect(await store().update('user_unknown', { role: 'user' })).toBe('changed');
    });

    it('lets one of ten link the same GitHub account', async () => {
      const githubId = randomUUID();
      const users = Array.from({ length: 10 }, () => newUser());
      for (const user of users) await store().create(user);
      const answers = await atOnce(10, (index) => store().update(users[index]!.id, { githubId }, { githubId: null }));
      expect(answers.filter((answer) => answer === 'githubId')).toHaveLength(9);
    });

    it('lists oldest first, page by page', async () => {
      const users = [3, 1, 2].map((createdAt) => newUser({ createdAt: -createdAt * 1e6 - Math.random() }));
      for (const user of users) await store().create(user);
      const wanted = [...users].sort((a, b) => a.createdAt - b.createdAt).map(({ id }) => id);
      const found: string[] = [];
      let after: string | undefined;
      for (let page = 0; ; page++) {
        expect(page).toBeLessThan(10_000);
        const answer = await store().list({ limit: 2, after });
        expect(answer.users.length).toBeLessThanOrEqual(2);
        found.push(...answer.users.map(({ id }) => id));
        after = found.at(-1);
        if (!answer.hasMore) break;
      }
      expect(found.filter((id) => wanted.includes(id))).toEqual(wanted);
      expect(await store().list({ limit: 5, after: 'user_unknown' })).toEqual({ users: [], hasMore: false });
    });
  });
}
