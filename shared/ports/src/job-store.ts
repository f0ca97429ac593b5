/**
 * The job's record. Every change is a compare-and-set, so two writers can never both win. Promises: what `create` or `transition` answered
 * is durable before the promise resolves; counts move in the same step as the states they count. Not promised: that a record is visible
 * to another process's `get` in the same instant (a cluster adapter may lag by milliseconds).
 */
import type { JobKey, JobRecord, JobState, NewJob, Priority } from '@inkwell/contracts';

export interface QueueLimits {
  /** Most jobs in state `queued`, over all tenants. */
  maxQueued: number;
  /** Most jobs in state `queued` of one tenant. */
  maxQueuedPerTenant: number;
}

export type CreateResult =
  | { outcome: 'created'; record: JobRecord }
  | { outcome: 'exists'; record: JobRecord }
  | { outcome: 'full'; scope: 'queue' | 'tenant'; queued: number };

export type JobPatch = Partial<Pick<JobRecord, 'startedAt' | 'finishedAt' | 'attempts' | 'result' | 'error'>>;

export interface JobFilter {
  tenant: string;
  states?: readonly JobState[];
  /** All given pairs must match. */
  metadata?: Record<string, string>;
}

export interface JobPage {
  /** 1…100. */
  limit: number;
  /** Newest first; continue after this job id. An unknown id answers an empty page. */
  after?: string;
}

export interface QueueCounts {
  /** Jobs in state `queued`, by priority. */
  queued: Record<Priority, number>;
  inProgress: number;
  /** Jobs that ever left state `queued`, by priority, without those that never were in it (Handoff): a job's place in line is about ordinal − departed. */
  departed: Record<Priority, number>;
}

export interface JobStore {
  /** Refuses beyond the limits, in the same atomic step. `exists` wins over `full`. */
  create(job: NewJob, limits: QueueLimits): Promise<CreateResult>;
  /**
   * Moves the job if its state is one of `from`, the move is legal in the state table (moving to the same state is a patch) and no writer
   * with a higher fence has written before. Answers the new record, or `conflict`, also for an unknown key.
   */
  transition(
    key: JobKey,
    from: readonly JobState[],
    to: JobState,
    patch: JobPatch,
    fence: number,
  ): Promise<JobRecord | 'conflict'>;
  get(key: JobKey): Promise<JobRecord | undefined>;
  /** Newest first (by creation, then key). */
  list(filter: JobFilter, page: JobPage): Promise<{ records: JobRecord[]; hasMore: boolean }>;
  counts(): Promise<QueueCounts>;
  /** When the job that has waited longest was created (Unix ms); null when none waits. */
  oldestQueuedAt(): Promise<number | null>;
  /** The jobs' messages are on the bus. Nobody need wait for this: a mark that is lost means one publication more, which changes nothing. */
  markPublished(keys: readonly JobKey[]): Promise<void>;
  /** Jobs still `queued`, created before `createdBefore` (Unix ms), whose message isn't known to be on the bus, oldest first: what a crash left behind. */
  listUnpublished(createdBefore: number, limit: number): Promise<JobRecord[]>;
}
