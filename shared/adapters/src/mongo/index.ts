/**
 * The ports a cluster keeps in MongoDB: jobs and API keys. Any number of processes share them. Works with what every server that speaks the
 * wire protocol has: no transactions, change streams or TTL indexes. What is acknowledged is on a majority's disks.
 */

import { terminalStates } from '@inkwell/contracts';
import type { AttemptStore, JobStore, KeyStore, RevocationStore, SessionStore, UserStore } from '@inkwell/ports';
import { createAttemptStore } from './attempt-store.ts';
import { connectMongo } from './connection.ts';
import { createJobStore } from './job-store.ts';
import { createKeyStore } from './key-store.ts';
import { Ledger } from './ledger.ts';
import { Moves } from './moves.ts';
import { createRevocationStore } from './revocation-store.ts';
import { createSessionStore } from './session-store.ts';
import { createUserStore } from './user-store.ts';

export interface MongoStoreOptions {
  /** `mongodb://` or `mongodb+srv://`, credentials included; never logged. */
  url: string;
  /** Default `inkwell`. */
  database?: string;
  /** Longest wait for a server, for a free connection and for an answer, each (default 5000). */
  deadlineMs?: number;
}

export interface MongoStore {
  jobStore: JobStore;
  keyStore: KeyStore;
  userStore: UserStore;
  sessionStore: SessionStore;
  revocationStore: RevocationStore;
  attemptStore: AttemptStore;
  /**
   * Ends moves that processes left behind when they died, so that the counts are exact again. Call it at the start and every minute or so,
   * in any number of processes. `staleMs`: how old such a move must be. Answers how many were ended.
   */
  repair(staleMs: number): Promise<number>;
  /** Removes jobs finished before then (Unix ms). Answers how many. */
  prune(beforeMs: number): Promise<number>;
  /** Finishes what was asked for; afterwards every port rejects with `shutting_down`. */
  close(): Promise<void>;
}

/** Throws an Error worded for the operator when MongoDB doesn't answer. */
export async function openMongoStore(options: MongoStoreOptions): Promise<MongoStore> {
  const { url, database = 'inkwell', deadlineMs = 5000 } = options;
  const connection = await connectMongo({ url, database, deadlineMs });
  const ledger = new Ledger(connection.ledger);
  await ledger.open();
  const moves = new Moves(connection.jobs, ledger);
  return {
    jobStore: createJobStore({ connection, ledger, moves, deadlineMs }),
    keyStore: createKeyStore(connection),
    userStore: createUserStore(connection),
    sessionStore: createSessionStore(connection),
    revocationStore: createRevocationStore(connection),
    attemptStore: createAttemptStore(connection),
    repair: (staleMs) => connection.call(() => moves.repair(staleMs)),
    prune: (beforeMs) =>
      connection.call(async () => {
        const filter = { finishedAt: { $lt: beforeMs }, state: { $in: [...terminalStates] }, pending: 0 };
        return (await connection.jobs.deleteMany(filter)).deletedCount;
      }),
    async close() {
      try {
        await moves.flush();
      } finally {
        await connection.close();
      }
    },
  };
}
