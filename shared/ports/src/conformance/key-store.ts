/** What every KeyStore promises. */
import { randomUUID } from 'node:crypto';
import type { ApiKeyRecord } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

function newApiKey(tenant: string, changes: Partial<ApiKeyRecord> = {}): ApiKeyRecord {
  return {
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

export function keyStoreConformance(makeAdapter: MakeAdapter<'keyStore'>): void {
  describe('KeyStore', () => {
    const adapter = withAdapter(makeAdapter);
    const store = () => adapter().keyStore;

    it('finds a key by its hash as soon as it is created, every field as given', async () => {
      const key = newApiKey(newTenant(), { expiresAt: 1_800_000_000_000 });
      expect(await store().create(key)).toBe('created');
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

    it('does not revoke what does not exist', async () => {
      expect(await store().revoke('key_unknown', 1)).toBe(false);
    });
  });
}
