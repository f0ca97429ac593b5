/**
 * The embedded edition's ports over one SQLite file. One process owns the directory; what any port acknowledged survives kill -9. Use it on
 * a local disk only.
 */
import type {
  Announcements,
  AttemptStore,
  AuditLog,
  Clock,
  FactLog,
  IdempotencyStore,
  JobBus,
  JobHistory,
  JobSteps,
  JobStore,
  KeyStore,
  Lease,
  RateLimiter,
  ResultStream,
  RevocationStore,
  SessionStore,
  UsageLedger,
  UserStore,
  WebhookQueue,
  WorkerRegistry,
} from '@inkwell/ports';
import { createAnnouncements } from './announcements.ts';
import { createAttemptStore } from './attempt-store.ts';
import { createAuditLog } from './audit-log.ts';
import { type Database, openDatabase, type StoreLog } from './database.ts';
import { createFactLog } from './fact-log.ts';
import { createIdempotencyStore } from './idempotency-store.ts';
import { createJobBus } from './job-bus.ts';
import { createJobHistory } from './job-history.ts';
import { createJobSteps } from './job-steps.ts';
import { createJobStore } from './job-store.ts';
import { createKeyStore } from './key-store.ts';
import { createLease } from './lease.ts';
import { createRateLimiter } from './rate-limiter.ts';
import { createResultStream } from './result-stream.ts';
import { prune } from './retention.ts';
import { createRevocationStore } from './revocation-store.ts';
import { createSessionStore } from './session-store.ts';
import { StoryWatch } from './story-watch.ts';
import { createUsageLedger } from './usage-ledger.ts';
import { createUserStore } from './user-store.ts';
import { createWebhookQueue } from './webhook-queue.ts';
import { createWorkerRegistry } from './worker-registry.ts';

export type { StoreLog } from './database.ts';
export { createWorkerRegistry } from './worker-registry.ts';

export interface EmbeddedStoreOptions {
  /** Created if need be; belongs to this process until `close`. */
  directory: string;
  clock: Clock;
  log?: StoreLog;
}

export interface EmbeddedStore {
  jobStore: JobStore;
  jobSteps: JobSteps;
  resultStream: ResultStream;
  lease: Lease;
  jobBus: JobBus;
  keyStore: KeyStore;
  idempotencyStore: IdempotencyStore;
  announcements: Announcements;
  workerRegistry: WorkerRegistry;
  userStore: UserStore;
  sessionStore: SessionStore;
  revocationStore: RevocationStore;
  attemptStore: AttemptStore;
  factLog: FactLog;
  auditLog: AuditLog;
  usageLedger: UsageLedger;
  jobHistory: JobHistory;
  rateLimiter: RateLimiter;
  webhookQueue: WebhookQueue;
  /**
   * Removes jobs finished before then (Unix ms) with their events, idempotency keys past their time, and facts that are told. Answers the jobs
   * removed.
   */
  prune(beforeMs: number): Promise<number>;
  /** Finishes what was asked for; afterwards every port rejects with `shutting_down`. */
  close(): Promise<void>;
}

/** Throws an Error worded for the operator when the directory is in use, damaged or from a newer version. */
export async function openEmbeddedStore({ directory, clock, log }: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const database = await openDatabase(directory, log);
  try {
    return assemble(database, clock, log);
  } catch (error) {
    await database.close();
    throw error;
  }
}

function assemble(database: Database, clock: Clock, log: StoreLog | undefined): EmbeddedStore {
  const watch = new StoryWatch();
  return {
    jobStore: createJobStore(database),
    jobSteps: createJobSteps(database, clock, watch),
    resultStream: createResultStream(database, clock, watch),
    lease: createLease(database, clock),
    jobBus: createJobBus(database, clock, log),
    keyStore: createKeyStore(database),
    idempotencyStore: createIdempotencyStore(database, clock),
    announcements: createAnnouncements(),
    workerRegistry: createWorkerRegistry(clock),
    userStore: createUserStore(database),
    sessionStore: createSessionStore(database),
    revocationStore: createRevocationStore(database),
    attemptStore: createAttemptStore(database),
    factLog: createFactLog(database, log),
    auditLog: createAuditLog(database),
    usageLedger: createUsageLedger(database),
    jobHistory: createJobHistory(database),
    rateLimiter: createRateLimiter(database, clock, log),
    webhookQueue: createWebhookQueue(database),
    prune: (beforeMs) => prune(database, clock, beforeMs),
    close: () => database.close(),
  };
}
