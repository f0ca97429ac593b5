/** A Redis of a test's own, with clients and stores on it; all gone when the test is over. */
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { startOwnRedis } from '../../../../../infra/services/redis.ts';
import { connectRedis, type RedisConnection } from '../connection.ts';
import { openRedisStore, type RedisStore } from '../index.ts';

export interface OwnRedis {
  redis: Redis;
  openStore(): Promise<RedisStore>;
  connect(): Promise<RedisConnection>;
  /** Functions called so far, those that were not known yet included. */
  functionCalls(): Promise<number>;
}

export async function ownRedis(): Promise<OwnRedis> {
  const server = await startOwnRedis();
  onTestFinished(() => server.stop());
  const { url } = server;
  const redis = new Redis(url);
  onTestFinished(async () => void (await redis.quit()));
  return {
    redis,
    async openStore() {
      const store = await openRedisStore({ url, retentionMs: 86_400_000 });
      onTestFinished(() => store.close());
      return store;
    },
    async connect() {
      const connection = await connectRedis({ url, deadlineMs: 5000, log: () => undefined });
      onTestFinished(() => connection.close());
      return connection;
    },
    async functionCalls() {
      return Number(/cmdstat_fcall:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
    },
  };
}
