/** Announcements between processes, and what a listener learns when its connection is cut or Redis dies. */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterEach, expect, it } from 'vitest';
import { startOwnRedis } from '../../../../infra/services/redis.ts';
import { freePort } from '../../../../infra/services/running-service.ts';
import { openRedisStore, type RedisStore } from './index.ts';

const cleanups: (() => unknown)[] = [];
const never = new AbortController().signal;

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function ownRedis(options?: Parameters<typeof startOwnRedis>[0]) {
  const server = await startOwnRedis(options);
  cleanups.push(() => server.stop());
  return server;
}

async function open(url: string): Promise<RedisStore> {
  const store = await openRedisStore({ url, retentionMs: 86_400_000, deadlineMs: 10_000 });
  cleanups.push(() => store.close());
  return store;
}

/** Everything a listener was told, gaps among it. */
async function listenTo(store: RedisStore, topic: string) {
  const told: string[] = [];
  let changed = Promise.withResolvers<void>();
  const tell = (what: string) => {
    told.push(what);
    changed.resolve();
    changed = Promise.withResolvers();
  };
  await store.announcements.listen(topic, { onAnnouncement: tell, onGap: () => tell('gap') }, never);
  const until = async (what: string) => {
    while (!told.includes(what)) await changed.promise;
  };
  return { told, until };
}

it('reach every process, and nobody with another key prefix', async () => {
  const { url } = await ownRedis();
  const stores = await Promise.all([open(url), open(url), open(url)]);
  const foreign = await openRedisStore({ url, retentionMs: 86_400_000, prefix: 'other:' });
  cleanups.push(() => foreign.close());
  const listeners = await Promise.all(stores.map((store) => listenTo(store, 'revoked')));
  const outsider = await listenTo(foreign, 'revoked');
  await stores[0]!.announcements.announce('revoked', 'key_1');
  await foreign.announcements.announce('revoked', 'key_2');
  await Promise.all([...listeners.map(({ until }) => until('key_1')), outsider.until('key_2')]);
  expect([...listeners, outsider].map(({ told }) => told)).toEqual([['key_1'], ['key_1'], ['key_1'], ['key_2']]);
});

it('tell a listener that was cut off of the gap, and it hears again what is announced after that', async () => {
  const { url } = await ownRedis();
  const [listening, announcing] = [await open(url), await open(url)];
  const knife = new Redis(url);
  cleanups.push(() => knife.quit());
  const { told, until } = await listenTo(listening, 'revoked');
  for (let round = 1; round <= 5; round++) {
    told.length = 0;
    await knife.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await announcing.announcements.announce('revoked', 'while it was deaf');
    await until('gap');
    const after = randomUUID();
    await announcing.announcements.announce('revoked', after);
    await until(after);
    expect(told.lastIndexOf('gap')).toBeLessThan(told.indexOf(after));
  }
});

it('tell of the gap when Redis was killed and came back', async () => {
  const port = await freePort();
  const first = await ownRedis({ port });
  const store = await open(first.url);
  const { told, until } = await listenTo(store, 'revoked');
  await first.kill();
  const meanwhile = store.announcements.announce('revoked', 'while it is down');
  await ownRedis({ port });
  await meanwhile;
  await until('gap');
  await store.announcements.announce('revoked', 'afterwards');
  await until('afterwards');
  expect(told.filter((what) => what === 'gap')).toHaveLength(1);
});
