/** Databases of their own for the tests of a file, on a server that others use too; gone afterwards. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import { startMongo } from '../../../../../infra/services/mongo.ts';
import type { RunningService } from '../../../../../infra/services/running-service.ts';
import type { MongoStoreOptions } from '../index.ts';
import { dropDatabase } from './drop-database.ts';

/** The server is there from before the first test until after the last. */
export function databases(): () => Required<MongoStoreOptions> {
  let server: RunningService | undefined;
  const made: Required<MongoStoreOptions>[] = [];
  beforeAll(async () => {
    server = await startMongo();
  });
  afterAll(async () => {
    for (const options of made) await dropDatabase(options);
    await server?.stop();
  });
  return () => {
    const options = { url: server!.url, database: `test-${randomUUID()}`, deadlineMs: 20_000 };
    made.push(options);
    return options;
  };
}
