/**
 * The ports a cluster keeps in Redis: jobs with their leases and stories, remembered requests, announcements and
 * the workers' registry. Any number of processes share them. What is
 * acknowledged is as durable as the server's `appendfsync`: with `always` it survives the death of Redis and a power cut, with `everysec`
 * these may take the last two seconds or so (ADR 6 says what follows from that).
 */
import type {
  Announcements,
  Handoff,
  IdempotencyStore,
  JobSteps,
  JobStore,
  Lease,
  RateLimiter,
  ResultStream,
  WorkerRegistry,
} from '@inkwell/ports';
import { createAnnouncements } from './announcements.ts';
import { Channels } from './channels.ts';
import { connectRedis, type RedisLog } from './connection.ts';
import { EndFeed } from './end-feed.ts';
import { createHandoff } from './handoff.ts';
import { createIdempotencyStore } from './idempotency-store.ts';
import { createJobSteps } from './job-steps.ts';
import { createJobStore } from './job-store.ts';
import { keyspace } from './keyspace.ts';
import { createLease } from './lease.ts';
import { prune } from './prune.ts';
import { createRateLimiter } from './rate-limiter.ts';
import { createResultStream } from './result-stream.ts';
import { StoryFeed } from './story-feed.ts';
import { createWorkerRegistry } from './worker-registry.ts';

export interface RedisStoreOptions {
  /** `redis://` or `rediss://`, credentials included; never logged. */
  url: string;
  /** What every key begins with, to share a Redis (default `inkwell:`). */
  prefix?: string;
  /** How long a story and its fence are kept after the last write when there is no record of the job, at least 24 hours. */
  retentionMs: number;
  /** Longest any call may take (default 5000). */
  deadlineMs?: number;
  /** Told of lost connections and unsafe settings. */
  log?: RedisLog;
}

export interface RedisStore {
  jobStore: JobStore;
  jobSteps: JobSteps;
  resultStream: ResultStream;
  lease: Lease;
  idempotencyStore: IdempotencyStore;
  announcements: Announcements;
  workerRegistry: WorkerRegistry;
  handoff: Handoff;
  /** Removes jobs finished before then (Unix ms) with their stories. Answers how many. Somebody must call it: records don't expire. */
  prune(beforeMs: number): Promise<number>;
  rateLimiter: RateLimiter;
  /** Finishes what was asked for; afterwards every port rejects with `shutting_down`. */
  close(): Promise<void>;
}

const dayMs = 86_400_000;

/** Throws an Error worded for the operator when Redis doesn't answer, may evict keys, or the retention is too short. */
export async function openRedisStore(options: RedisStoreOptions): Promise<RedisStore> {
  const { url, prefix = 'inkwell:', retentionMs, deadlineMs = 5000, log = () => {} } = options;
  if (!Number.isInteger(retentionMs) || retentionMs < dayMs) {
    throw new RangeError('Events must be kept for at least 24 hours, in whole milliseconds.');
  }
  const connection = await connectRedis({ url, deadlineMs, log });
  const keys = keyspace(prefix);
  const channels = new Channels(connection, log);
  const feedOptions = { connection, channels, keys, retentionMs };
  const feeds = { story: new StoryFeed(feedOptions), end: new EndFeed(feedOptions) };
  return {
    jobStore: createJobStore(connection, keys),
    jobSteps: createJobSteps(connection, keys, feeds),
    resultStream: createResultStream(connection, keys, retentionMs, feeds),
    lease: createLease(connection, keys, retentionMs),
    idempotencyStore: createIdempotencyStore(connection, keys),
    announcements: createAnnouncements(connection, channels, keys),
    workerRegistry: createWorkerRegistry(connection, keys),
    handoff: createHandoff(connection, channels, keys),
    prune: (beforeMs) => prune(connection, keys, beforeMs),
    rateLimiter: createRateLimiter(connection, keys),
    close: () => connection.close(),
  };
}
