/** What the MongoDB adapters say when the database is away, and when it comes too late. */
import { expect, it } from 'vitest';
import { startOwnMongo } from '../../../../infra/services/mongo.ts';
import { freePort } from '../../../../infra/services/running-service.ts';
import { openMongoStore } from './index.ts';

it('says that the database is not available when it dies, within the deadlines, and `shutting_down` once closed', async () => {
  const server = await startOwnMongo();
  try {
    const store = await openMongoStore({ url: server.url, deadlineMs: 3000 });
    expect(await store.keyStore.findByHash('hash')).toBeUndefined();
    await server.kill();
    const unavailable = { code: 'dependency_unavailable', retryAfterSeconds: 5 };
    await expect(store.keyStore.findByHash('hash')).rejects.toMatchObject(unavailable);
    await expect(store.keyStore.list()).rejects.toMatchObject(unavailable);
    await store.close().catch(() => undefined);
    await expect(store.keyStore.list()).rejects.toMatchObject({ code: 'shutting_down' });
  } finally {
    await server.stop();
  }
});

it('says what to check when there is no database, and never the password', async () => {
  const url = `mongodb://user:secret@127.0.0.1:${await freePort()}`;
  const opening = openMongoStore({ url, deadlineMs: 300 });
  await expect(opening).rejects.toThrow(/MongoDB cannot be used.*MONGO_URL/);
  await expect(opening).rejects.not.toThrow(/secret/);
});
