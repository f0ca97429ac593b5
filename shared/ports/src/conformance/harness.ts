/**
 * How a suite gets the adapters it tests. One adapter serves a whole suite: every test uses a tenant of its own and compares counts before
 * and after, so a store that already holds other jobs passes as well.
 */
import { randomUUID } from 'node:crypto';
import type { Announcements } from '../announcements.ts';
import type { AttemptStore } from '../attempt-store.ts';
import type { AuditLog } from '../audit-log.ts';
import type { FactLog } from '../fact-log.ts';
import type { Handoff } from '../handoff.ts';
import type { IdempotencyStore } from '../idempotency-store.ts';
import type { JobBus } from '../job-bus.ts';
import type { JobHistory } from '../job-history.ts';
import type { JobSteps } from '../job-steps.ts';
import type { JobStore } from '../job-store.ts';
import type { KeyStore } from '../key-store.ts';
import type { Lease } from '../lease.ts';
import type { RateLimiter } from '../rate-limiter.ts';
import type { ResultStream } from '../result-stream.ts';
import type { RevocationStore } from '../revocation-store.ts';
import type { SessionStore } from '../session-store.ts';
import type { UsageLedger } from '../usage-ledger.ts';
import type { UserStore } from '../user-store.ts';
import type { WebhookQueue } from '../webhook-queue.ts';
import type { WorkerRegistry } from '../worker-registry.ts';

interface Ports {
  jobStore: JobStore;
  jobSteps: JobSteps;
  resultStream: ResultStream;
  lease: Lease;
  jobBus: JobBus;
  factLog: FactLog;
  auditLog: AuditLog;
  usageLedger: UsageLedger;
  jobHistory: JobHistory;
  keyStore: KeyStore;
  idempotencyStore: IdempotencyStore;
  announcements: Announcements;
  rateLimiter: RateLimiter;
  workerRegistry: WorkerRegistry;
  handoff: Handoff;
  userStore: UserStore;
  sessionStore: SessionStore;
  revocationStore: RevocationStore;
  attemptStore: AttemptStore;
  webhookQueue: WebhookQueue;
}

/** The ports a suite needs, all over the same data, and what the test bench must provide. */
export type Adapter<Names extends keyof Ports> = Pick<Ports, Names> & {
  /** Lets this much time pass for leases and claims: by a clock that is set, or by waiting. */
  advance(ms: number): Promise<void>;
  close(): Promise<void>;
};

export type MakeAdapter<Names extends keyof Ports> = () => Promise<Adapter<Names>>;

/** A tenant nobody used before. */
export function newTenant(): string {
  return `tenant-${randomUUID()}`;
}

/** Runs `count` calls at once. */
export function atOnce<Value>(count: number, call: (index: number) => Promise<Value>): Promise<Value[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => call(index)));
}
