/**
 * The three steps of a job that nothing disturbs, each of which changes record, story and lease together, in one call. A job that is
 * interrupted, cancelled or given up takes the single steps of JobStore, ResultStream and Lease from where it stands; they see all that
 * these have written, and these what they have.
 */
import type { JobEvent, JobKey, JobRecord, NewJob, NewJobEvent, TerminalState } from '@inkwell/contracts';
import type { CreateResult, JobPatch, QueueLimits } from './job-store.ts';

export interface Start {
  /** Unix milliseconds; becomes the record's `startedAt`. */
  at: number;
  /** As it will stand in `job.started`. */
  worker: string;
}

export type JobBegin =
  /** The lease is ours under `fence`. Not `started`: there is a story already, and what it says decides. */
  | { outcome: 'taken'; fence: number; started: boolean; record: JobRecord }
  /** Somebody has the lease. */
  | { outcome: 'held' }
  /** The job is over; no lease was taken. */
  | { outcome: 'ended'; record: JobRecord }
  /** There is no record, or none that can be seen yet; no lease was taken. */
  | { outcome: 'unknown' };

export interface Finish {
  fence: number;
  /** Number of the last event. */
  afterSeq: number;
  /** The last one, and only that, is terminal. */
  events: readonly NewJobEvent[];
  state: TerminalState;
  patch: JobPatch;
  /** The lease stays, and lapses unless it is released: of a job whose end has yet to be told, and that no bus would deliver again. */
  keepsLease?: boolean;
}

/** What whoever accepts a job will ask for next. */
export type Reading = 'nothing' | 'end' | 'story';

export interface JobSteps {
  /**
   * `JobStore.create`; a job it creates has `job.queued` as its first event. Where a worker offers places for all its sequences, the job is handed
   * to it (see Handoff) and made in progress; else it is queued and waits to be published.
   * @param reading what will be asked from here within seconds, and is prepared in the same step: `ResultStream.awaitEnd`, or to follow the
   * story from its beginning. A hint: whoever asks for something else, later or not at all loses nothing.
   */
  accept(job: NewJob, limits: QueueLimits, reading?: Reading): Promise<CreateResult>;
  /**
   * `Lease.acquire` of a job that isn't over. If it is still queued and nothing but that was told of it, it is started too: in progress, its
   * first attempt, `job.started` as event 2.
   */
  begin(key: JobKey, owner: string, ttlMs: number, start: Start): Promise<JobBegin>;
  /**
   * Appends as `ResultStream.append` does, moves the job from `in_progress` as `JobStore.transition` does, and gives the lease up unless that is to stay. `stale`
   * when any of these would be refused; then nothing is changed.
   */
  finish(key: JobKey, finish: Finish): Promise<'ok' | 'stale'>;
}

/** The first event of every story. */
export function queuedEvent(job: NewJob): NewJobEvent {
  return { type: 'job.queued', at: job.createdAt };
}

/** The event of a first start. */
export function startedEvent({ at, worker }: Start): JobEvent {
  return { type: 'job.started', at, attempt: 1, worker, seq: 2 };
}
