/** The Redis adapters keep every promise of their ports, against a real server. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import {
  announcementsConformance,
  handoffConformance,
  idempotencyStoreConformance,
  jobLifeConformance,
  jobStepsConformance,
  jobStoreConformance,
  jobStoreListConformance,
  jobStoreTransitionConformance,
  leaseConformance,
  resultStreamConformance,
  resultStreamFollowConformance,
  resultStreamSubscribeConformance,
  workerRegistryConformance,
} from '@inkwell/ports/conformance';
import { startRedis } from '../../../../infra/services/redis.ts';
import { openRedisStore } from './index.ts';

async function makeAdapter() {
  const server = await startRedis();
  const store = await openRedisStore({ url: server.url, prefix: `test-${randomUUID()}:`, retentionMs: 86_400_000 });
  return {
    ...store,
    // The server's clock counts, so time is let pass; timers may fire a millisecond early.
    advance: (ms: number) => wait(ms + 2),
    close: async () => {
      await store.close();
      await server.stop();
    },
  };
}

announcementsConformance(makeAdapter);
handoffConformance(makeAdapter);
idempotencyStoreConformance(makeAdapter);
jobLifeConformance(makeAdapter);
jobStepsConformance(makeAdapter);
jobStoreConformance(makeAdapter);
jobStoreListConformance(makeAdapter);
jobStoreTransitionConformance(makeAdapter);
leaseConformance(makeAdapter);
resultStreamConformance(makeAdapter);
resultStreamFollowConformance(makeAdapter);
resultStreamSubscribeConformance(makeAdapter);
workerRegistryConformance(makeAdapter);
