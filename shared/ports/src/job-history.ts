/**
 * Ended jobs, kept after the hot store has forgotten them: how each ended and what it used, without its text. Promises: a job is there once,
 * however often it is recorded; what `record` answered is durable, and counted by `UsageLedger`.
 */
import type { JobEnded, JobKey, TerminalState } from '@inkwell/contracts';

export interface HistoryFilter {
  tenant: string;
  states?: readonly TerminalState[];
  /** Ended from this time on (Unix ms). */
  from?: number;
  /** Ended before this time. */
  before?: number;
}

export interface JobHistory {
  record(jobs: readonly JobEnded[]): Promise<void>;
  get(key: JobKey): Promise<JobEnded | undefined>;
  /** Newest end first, then by key; `after` is the last job id of the page before, an unknown id answers an empty page. Limit 1…100. */
  list(filter: HistoryFilter, page: { limit: number; after?: string }): Promise<{ jobs: JobEnded[]; hasMore: boolean }>;
}
