/** A store of an earlier version is brought up to date when it is opened; what it held reads as before. */
import { join } from 'node:path';
import { unrestrictedKey } from '@inkwell/contracts';
import { expect, it } from 'vitest';
import { Connection } from './connection.ts';
import { openEmbeddedStore } from './index.ts';
import { migrate } from './schema.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();

it('reads the keys of a store from before keys had scopes, owners and counts', async () => {
  const directory = await bench.directory();
  const old = new Connection(join(directory, 'inkwell.db'), {});
  migrate(old, 2);
  old.exec("INSERT INTO api_keys VALUES ('key_1', 'h', 'ik_Ab3', 'old', 'default', 'superuser', 5.5, NULL, NULL)");
  old.close();
  const store = bench.closeLater(await openEmbeddedStore({ directory, clock: { now: () => 1000 } }));
  expect(await store.keyStore.findByHash('h')).toEqual({
    ...unrestrictedKey,
    id: 'key_1',
    hash: 'h',
    prefix: 'ik_Ab3',
    name: 'old',
    tenant: 'default',
    role: 'superuser',
    createdAt: 5.5,
    expiresAt: null,
    revokedAt: null,
  });
  expect(await store.keyStore.update('key_1', { scopes: ['jobs'] })).toMatchObject({ scopes: ['jobs'] });
});
