/** A store of an earlier version is brought up to date when it is opened; what it held reads as before. */
import { join } from 'node:path';
import { jobKey, unrestrictedKey } from '@inkwell/contracts';
import { endedJob } from '@inkwell/ports/conformance';
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

it('goes on counting the use of a store from before a job in the history was what counts', async () => {
  const directory = await bench.directory();
  const day = 86_400_000;
  const usage = { promptTokens: 3, completionTokens: 5 };
  const known = endedJob('acme', 'known', { keyId: 'key_1', model: 'tiny', finishedAt: day, usage });
  const old = new Connection(join(directory, 'inkwell.db'), {});
  migrate(old, 6);
  old.exec(`INSERT INTO usage_facts VALUES ('job.ended:${known.key}', 5)`);
  old.exec(`INSERT INTO usage_buckets VALUES (${day}, ${day}, 'acme', 'key_1', '', 'tiny', 1, 3, 5)`);
  old.exec(
    `INSERT INTO job_history VALUES ('${known.key}', 'acme', 'known', 'completed', ${day}, '${JSON.stringify(known)}')`,
  );
  old.close();
  const store = bench.closeLater(await openEmbeddedStore({ directory, clock: { now: () => 1000 } }));
  await store.jobHistory.record([known, { ...known, key: jobKey('acme', 'new'), jobId: 'new' }]);
  const [sum] = await store.usageLedger.sum({ size: 'day', from: 0, before: 2 * day, groupBy: [], limit: 9 });
  expect(sum).toMatchObject({ start: day, requests: 2, promptTokens: 6, completionTokens: 10 });
});
