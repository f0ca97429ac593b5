/** What the counters and the measured throughput say about waiting. All in seconds; unknown throughput gives no estimate. */
import { type JobRecord, priorities } from '@inkwell/contracts';
import type { QueueCounts } from '@inkwell/ports';
import type { WorkerStats } from '../context.ts';

export interface Place {
  /** 1 = next of its class. */
  position: number;
  /** Unix milliseconds. */
  startAt: number | null;
  finishAt: number | null;
}

/** A queued job's place in line: its arrival number less those of its class that have left. Exact under first-in first-out. */
export function placeInLine(record: JobRecord, counts: QueueCounts, stats: WorkerStats, nowMs: number): Place {
  const waiting = Math.max(1, counts.queued[record.priority]);
  const position = Math.min(waiting, Math.max(1, record.ordinal - counts.departed[record.priority]));
  const moreUrgent = priorities.slice(0, priorities.indexOf(record.priority));
  const ahead = moreUrgent.reduce((sum, priority) => sum + counts.queued[priority], position - 1);
  if (stats.jobsPerSecond <= 0) return { position, startAt: null, finishAt: null };
  const startAt = nowMs + (ahead / stats.jobsPerSecond) * 1_000;
  const finishAt = stats.tokensPerSecond > 0 ? startAt + (record.costTokens / stats.tokensPerSecond) * 1_000 : null;
  return { position, startAt, finishAt };
}

const maxRetryAfterSeconds = 60;
const unknownRetryAfterSeconds = 5;

/** When a refused client should try again: once about a tenth of the queue has been worked off, so that not all come back for one place. */
export function secondsUntilRoom(queued: number, stats: WorkerStats): number {
  if (stats.jobsPerSecond <= 0) return unknownRetryAfterSeconds;
  return Math.min(maxRetryAfterSeconds, Math.max(1, Math.ceil(queued / 10 / stats.jobsPerSecond)));
}
