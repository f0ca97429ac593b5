/** The MongoDB adapters keep every promise of their ports, against a real server. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import {
  attemptStoreConformance,
  auditLogConformance,
  jobHistoryConformance,
  keyStoreConformance,
  revocationStoreConformance,
  sessionStoreConformance,
  usageLedgerConformance,
  userStoreConformance,
  webhookQueueConformance,
} from '@inkwell/ports/conformance';
import { startMongo } from '../../../../infra/services/mongo.ts';
import { openMongoStore } from './index.ts';
import { dropDatabase } from './testing/drop-database.ts';

async function makeAdapter() {
  const server = await startMongo();
  const options = { url: server.url, database: `test-${randomUUID()}`, deadlineMs: 20_000 };
  const store = await openMongoStore(options);
  return {
    ...store,
    advance: (ms: number) => wait(ms + 2),
    close: async () => {
      await store.close();
      await dropDatabase(options);
      await server.stop();
    },
  };
}

keyStoreConformance(makeAdapter);
attemptStoreConformance(makeAdapter);
auditLogConformance(makeAdapter);
jobHistoryConformance(makeAdapter);
usageLedgerConformance(makeAdapter);
revocationStoreConformance(makeAdapter);
sessionStoreConformance(makeAdapter);
userStoreConformance(makeAdapter);
webhookQueueConformance(makeAdapter);
