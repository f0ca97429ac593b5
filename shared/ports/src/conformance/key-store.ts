/** What every KeyStore promises. */
import { randomUUID } from 'node:crypto';
import { type ApiKeyRecord, unrestrictedKey } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

function newApiKey(tenant: string, changes: Partial<ApiKeyRecord> = {}): ApiKeyRecord {
  return {
    ...unrestrictedKey,
    id: `key_${randomUUID()}`,
    hash: randomUUID(),
    prefix: 'ik_Ab3',
    name: 'build server "é"',
    tenant,
    role: 'operator',
    createdAt: 1_700_000_000_000.5,
    expiresAt: null,
    revokedAt: null,
    ...changes,
  };
}

const restricted: Partial<ApiKeyRecord> = {
  expiresAt: 1_800_000_000_000,
  userId: 'user_1',
  scopes: ['generate', 'jobs'],
  models: ['a/b "c"'],
  allowedIps: ['10.0.0.0/8', '::1'],
  limits: { requestsPerMinute: 5, tokensPerDay: null },
  signed: true,
};

export function keyStoreConformance(makeAdapter: MakeAdapter<'keyStore'>): void {
  describe('KeyStore', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().keyStore;

    it('finds a key by its hash as soon as it is created, every field as given', async () => {
      const key = newApiKey(newTenant(), restricted);
      expect(await store().create(key)).toBe('created');
      expect(await store().get(key.id)).toEqual(key);
      expect(await store().get('key_unknown')).toBeUndefined();
      expect(await store().findByHash(key.hash)).toEqual(key);
      expect(await store().findByHash(key.hash.toUpperCase())).toBeUndefined();
    });

    it('refuses a hash or an id that is taken, and keeps the first key', async () => {
      const key = newApiKey(newTenant());
      await store().create(key);
      expect(await store().create({ ...newApiKey(newTenant()), hash: key.hash })).toBe('exists');
      const sameId = { ...newApiKey(newTenant()), id: key.id };
      expect(await store().create(sameId)).toBe('exists');
      expect(await store().findByHash(sameId.hash)).toBeUndefined();
      expect(await store().findByHash(key.hash)).toEqual(key);
    });

    it('creates one of 20 parallel keys with the same hash', async () => {
      const hash = randomUUID();
      const answers = await atOnce(20, () => store().create({ ...newApiKey(newTenant()), hash }));
      expect(answers.filter((answer) => answer === 'created')).toHaveLength(1);
    });

    it("lists oldest first: a tenant's own, or everybody's", async () => {
      const [tenant, other] = [newTenant(), newTenant()];
      const [second, first] = [newApiKey(tenant, { createdAt: 2 }), newApiKey(tenant, { createdAt: 1 })];
      const foreign = newApiKey(other, { createdAt: 1.5 });
      for (const key of [second, first, foreign]) await store().create(key);
      expect(await store().list(tenant)).toEqual([first, second]);
      const ours = new Set([first.id, second.id, foreign.id]);
      expect((await store().list()).filter(({ id }) => ours.has(id))).toEqual([first, foreign, second]);
      expect(await store().list(newTenant())).toEqual([]);
    });

    it('revokes a key once, and its record says when', async () => {
      const key = newApiKey(newTenant());
      await store().create(key);
      const answers = await atOnce(10, (index) => store().revoke(key.id, 1000 + index));
      expect(answers.filter(Boolean)).toHaveLength(1);
      const revokedAt = 1000 + answers.indexOf(true);
      expect(await store().findByHash(key.hash)).toEqual({ ...key, revokedAt });
      expect(await store().revoke(key.id, 5000)).toBe(false);
      expect(await store().findByHash(key.hash)).toEqual({ ...key, revokedAt });
    });

    it('changes what is given and keeps the rest', async () => {
      const key = newApiKey(newTenant(), restricted);
      await store().create(key);
      const patch = { name: 'new', models: null, allowedIps: [], limits: { tokensPerMinute: 9 } };
      expect(await store().update(key.id, patch)).toEqual({ ...key, ...patch });
      expect(await store().findByHash(key.hash)).toEqual({ ...key, ...patch });
      expect(await store().update(key.id, {})).toEqual({ ...key, ...patch });
      expect(await store().update('key_unknown', patch)).toBeUndefined();
    });

    it('rotates to one of many new keys; both hashes find it, an older one no longer', async () => {
      const key = newApiKey(newTenant());
      await store().create(key);
      const hashes = Array.from({ length: 8 }, () => randomUUID());
      const answers = await atOnce(8, (index) =>
        store().rotate(key.id, key.hash, { hash: hashes[index]!, prefix: 'ik_new', previousUntil: 7000 + index }),
      );
      const winner = answers.findIndex((answer) => answer !== undefined);
      expect(answers.filter((answer) => answer !== undefined)).toHaveLength(1);
      const hash = hashes[winner]!;
      const rotated = { ...key, hash, prefix: 'ik_new', previousHash: key.hash, previousUntil: 7000 + winner };
      expect(answers[winner]).toEqual(rotated);
      expect(await store().findByHash(hash)).toEqual(rotated);
      expect(await store().findByHash(key.hash)).toEqual(rotated);
      const again = await store().rotate(key.id, hash, { hash: randomUUID(), prefix: 'ik_third', previousUntil: 9 });
      expect(again).toMatchObject({ previousHash: hash, previousUntil: 9 });
      expect(await store().findByHash(key.hash)).toBeUndefined();
    });

    it('neither changes nor rotates a revoked key', async () => {
      const key = newApiKey(newTenant());
      await store().create(key);
      await store().revoke(key.id, 5);
      expect(await store().update(key.id, { name: 'new' })).toBeUndefined();
      const rotation = { hash: randomUUID(), prefix: 'ik_new', previousUntil: 9 };
      expect(await store().rotate(key.id, key.hash, rotation)).toBeUndefined();
      expect(await store().get(key.id)).toEqual({ ...key, revokedAt: 5 });
    });

    it('adds up uses that come at once, and keeps the latest time', async () => {
      const [one, other] = [newApiKey(newTenant()), newApiKey(newTenant())];
      await store().create(one);
      await store().create(other);
      await atOnce(10, (index) =>
        store().recordUses([
          { id: one.id, count: 2, lastUsedAt: 100 + (index % 5) },
          { id: 'key_unknown', count: 1, lastUsedAt: 1 },
          { id: other.id, count: 1, lastUsedAt: 50 },
        ]),
      );
      await store().recordUses([]);
      expect(await store().get(one.id)).toEqual({ ...one, usageCount: 20, lastUsedAt: 104 });
      expect(await store().get(other.id)).toEqual({ ...other, usageCount: 10, lastUsedAt: 50 });
    });

    it('does not revoke what does not exist', async () => {
      expect(await store().revoke('key_unknown', 1)).toBe(false);
    });
  });
}
