/**
 * The ports a cluster keeps in MongoDB: API keys, users and what belongs to them, the audit log, usage and history. Any number of processes share
 * them. Works with what every server that speaks the wire protocol has: no transactions, change streams or TTL indexes. What is acknowledged is on a majority's disks.
 */
import type {
  AttemptStore,
  AuditLog,
  JobHistory,
  KeyStore,
  RevocationStore,
  SessionStore,
  UsageLedger,
  UserStore,
  WebhookQueue,
} from '@inkwell/ports';
import { createAttemptStore } from './attempt-store.ts';
import { createAuditLog } from './audit-log.ts';
import { connectMongo } from './connection.ts';
import { createJobHistory } from './job-history.ts';
import { createKeyStore } from './key-store.ts';
import { createRevocationStore } from './revocation-store.ts';
import { createSessionStore } from './session-store.ts';
import { createUsageLedger } from './usage-ledger.ts';
import { createUserStore } from './user-store.ts';
import { createWebhookQueue } from './webhook-queue.ts';

export interface MongoStoreOptions {
  /** `mongodb://` or `mongodb+srv://`, credentials included; never logged. */
  url: string;
  /** Default `inkwell`. */
  database?: string;
  /** Longest wait for a server, for a free connection and for an answer, each (default 5000). */
  deadlineMs?: number;
}

export interface MongoStore {
  keyStore: KeyStore;
  userStore: UserStore;
  sessionStore: SessionStore;
  revocationStore: RevocationStore;
  attemptStore: AttemptStore;
  auditLog: AuditLog;
  usageLedger: UsageLedger;
  jobHistory: JobHistory;
  webhookQueue: WebhookQueue;
  /** Finishes what was asked for; afterwards every port rejects with `shutting_down`. */
  close(): Promise<void>;
}

/** Throws an Error worded for the operator when MongoDB doesn't answer. */
export async function openMongoStore(options: MongoStoreOptions): Promise<MongoStore> {
  const { url, database = 'inkwell', deadlineMs = 5000 } = options;
  const connection = await connectMongo({ url, database, deadlineMs });
  return {
    keyStore: createKeyStore(connection),
    userStore: createUserStore(connection),
    sessionStore: createSessionStore(connection),
    revocationStore: createRevocationStore(connection),
    attemptStore: createAttemptStore(connection),
    auditLog: createAuditLog(connection),
    usageLedger: createUsageLedger(connection),
    jobHistory: createJobHistory(connection),
    webhookQueue: createWebhookQueue(connection),
    close: () => connection.close(),
  };
}
