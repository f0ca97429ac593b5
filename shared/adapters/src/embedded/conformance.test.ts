/** The embedded store keeps every promise of the ports. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  announcementsConformance,
  attemptStoreConformance,
  auditLogConformance,
  factLogConformance,
  idempotencyStoreConformance,
  jobBusConformance,
  jobHistoryConformance,
  jobLifeConformance,
  jobStepsConformance,
  jobStoreConformance,
  jobStoreListConformance,
  jobStoreTransitionConformance,
  keyStoreConformance,
  leaseConformance,
  resultStreamConformance,
  resultStreamFollowConformance,
  resultStreamSubscribeConformance,
  revocationStoreConformance,
  sessionStoreConformance,
  usageLedgerConformance,
  userStoreConformance,
  webhookQueueConformance,
  workerRegistryConformance,
} from '@inkwell/ports/conformance';
import { openEmbeddedStore } from './index.ts';

async function makeAdapter() {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-'));
  let nowMs = 1_700_000_000_000;
  const store = await openEmbeddedStore({ directory, clock: { now: () => nowMs } });
  return {
    ...store,
    advance: async (ms: number) => {
      nowMs += ms;
    },
    close: async () => {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}

announcementsConformance(makeAdapter);
auditLogConformance(makeAdapter);
factLogConformance(makeAdapter);
idempotencyStoreConformance(makeAdapter);
jobBusConformance(makeAdapter);
jobHistoryConformance(makeAdapter);
jobLifeConformance(makeAdapter);
jobStepsConformance(makeAdapter);
jobStoreConformance(makeAdapter);
jobStoreListConformance(makeAdapter);
jobStoreTransitionConformance(makeAdapter);
keyStoreConformance(makeAdapter);
leaseConformance(makeAdapter);
resultStreamConformance(makeAdapter);
resultStreamFollowConformance(makeAdapter);
resultStreamSubscribeConformance(makeAdapter);
workerRegistryConformance(makeAdapter);
attemptStoreConformance(makeAdapter);
revocationStoreConformance(makeAdapter);
sessionStoreConformance(makeAdapter);
userStoreConformance(makeAdapter);
usageLedgerConformance(makeAdapter);
webhookQueueConformance(makeAdapter);
