/** Jobs in MongoDB, stories and leases in Redis: together they keep what gateway and worker rely on. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { jobLifeConformance } from '@inkwell/ports/conformance';
import { startMongo } from '../../../infra/services/mongo.ts';
import { startRedis } from '../../../infra/services/redis.ts';
import { openMongoStore } from './mongo/index.ts';
import { dropDatabase } from './mongo/testing/drop-database.ts';
import { openRedisStore } from './redis/index.ts';

jobLifeConformance(async () => {
  const [redis, mongo] = await Promise.all([startRedis(), startMongo()]);
  const database = { url: mongo.url, database: `test-${randomUUID()}`, deadlineMs: 20_000 };
  const [streams, jobs] = await Promise.all([
    openRedisStore({ url: redis.url, prefix: `test-${randomUUID()}:`, retentionMs: 86_400_000 }),
    openMongoStore(database),
  ]);
  return {
    ...streams,
    ...jobs,
    advance: (ms: number) => wait(ms + 2),
    close: async () => {
      await Promise.all([streams.close(), jobs.close()]);
      await dropDatabase(database);
      await Promise.all([redis.stop(), mongo.stop()]);
    },
  };
});
