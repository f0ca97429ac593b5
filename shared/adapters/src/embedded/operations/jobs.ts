/**
 * Writes to job records and the counters kept with them. Each function runs inside one savepoint of the writer: a record and its counts
 * move together or not at all.
 */
import { canTransition, type JobKey, type JobState, type Priority } from '@inkwell/contracts';
import type { QueueLimits } from '@inkwell/ports';
import type { Connection } from '../connection.ts';

/** A job as it lies in the table; `error`, `result` and `given` (what never changes and isn't searched) are JSON. */
export interface JobRow {
  key: JobKey;
  tenant: string;
  id: string;
  state: JobState;
  priority: Priority;
  ordinal: number;
  fence: number;
  attempts: number;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  error: string | null;
  result: string | null;
  given: string;
}

export type NewJobRow = Omit<JobRow, 'ordinal' | 'fence'>;
export type RowPatch = Partial<Pick<JobRow, 'started_at' | 'finished_at' | 'attempts' | 'result' | 'error'>>;

export type CreateAnswer =
  | { outcome: 'created'; ordinal: number }
  | { outcome: 'exists'; row: JobRow }
  | { outcome: 'full'; scope: 'queue' | 'tenant'; queued: number };

function createJob(
  connection: Connection,
  { row, pairs, limits }: { row: NewJobRow; pairs: readonly string[]; limits: QueueLimits },
): CreateAnswer {
  const existing = connection.get<JobRow>('SELECT * FROM jobs WHERE key = ?', row.key);
  if (existing !== undefined) return { outcome: 'exists', row: existing };
  const full = fullScope(connection, row.tenant, limits);
  if (full !== undefined) return { outcome: 'full', ...full };
  const ordinal = countArrival(connection, row);
  insertJob(connection, row, ordinal);
  for (const pair of pairs) {
    connection.run('INSERT INTO job_metadata VALUES (?, ?, ?, ?)', row.tenant, pair, row.created_at, row.key);
  }
  connection.run('DELETE FROM stories_without_job WHERE key = ?', row.key);
  return { outcome: 'created', ordinal };
}

/** The tenant's own limit is named first: it is the one the caller can do something about. */
function fullScope(
  connection: Connection,
  tenant: string,
  limits: QueueLimits,
): { scope: 'queue' | 'tenant'; queued: number } | undefined {
  const own = connection.get<{ queued: number }>('SELECT queued FROM tenant_counters WHERE tenant = ?', tenant);
  const ownQueued = own?.queued ?? 0;
  if (ownQueued >= limits.maxQueuedPerTenant) return { scope: 'tenant', queued: ownQueued };
  const { queued } = connection.get<{ queued: number }>('SELECT sum(queued) AS queued FROM priority_counters')!;
  return queued >= limits.maxQueued ? { scope: 'queue', queued } : undefined;
}

function countArrival(connection: Connection, { tenant, priority }: NewJobRow): number {
  connection.run(
    'INSERT INTO tenant_counters VALUES (?, 1) ON CONFLICT (tenant) DO UPDATE SET queued = queued + 1',
    tenant,
  );
  const counter = connection.get<{ last_ordinal: number }>(
    `UPDATE priority_counters SET last_ordinal = last_ordinal + 1, queued = queued + 1
     WHERE priority = ? RETURNING last_ordinal`,
    priority,
  );
  return counter!.last_ordinal;
}

function insertJob(connection: Connection, row: NewJobRow, ordinal: number): void {
  connection.run(
    `INSERT INTO jobs (key, tenant, id, state, priority, ordinal, fence, attempts, created_at, started_at, finished_at,
       error, result, given)
     VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?)`,
    row.key,
    row.tenant,
    row.id,
    row.state,
    row.priority,
    ordinal,
    row.attempts,
    row.created_at,
    row.started_at,
    row.finished_at,
    row.error,
    row.result,
    row.given,
  );
}

interface TransitionInput {
  key: JobKey;
  from: readonly JobState[];
  to: JobState;
  patch: RowPatch;
  fence: number;
}

function transitionJob(connection: Connection, { key, from, to, patch, fence }: TransitionInput): JobRow | 'conflict' {
  const row = connection.get<JobRow>('SELECT * FROM jobs WHERE key = ?', key);
  if (row === undefined || !from.includes(row.state) || fence < row.fence) return 'conflict';
  if (to !== row.state && !canTransition(row.state, to)) return 'conflict';
  if (to !== row.state) countMove(connection, row, to);
  const next: JobRow = { ...row, ...patch, state: to, fence };
  connection.run(
    `UPDATE jobs SET state = ?, fence = ?, attempts = ?, started_at = ?, finished_at = ?, error = ?, result = ?
     WHERE key = ?`,
    next.state,
    next.fence,
    next.attempts,
    next.started_at,
    next.finished_at,
    next.error,
    next.result,
    key,
  );
  return next;
}

function countMove(connection: Connection, { tenant, priority, state }: JobRow, to: JobState): void {
  const leavesQueue = state === 'queued' ? 1 : 0;
  const running = (to === 'in_progress' ? 1 : 0) - (state === 'in_progress' ? 1 : 0);
  connection.run(
    `UPDATE priority_counters SET queued = queued - ?1, departed = departed + ?1, in_progress = in_progress + ?2
     WHERE priority = ?3`,
    leavesQueue,
    running,
    priority,
  );
  if (leavesQueue === 0) return;
  connection.run('UPDATE tenant_counters SET queued = queued - 1 WHERE tenant = ?', tenant);
  connection.run('DELETE FROM tenant_counters WHERE tenant = ? AND queued = 0', tenant);
}

export const jobOperations = { createJob, transitionJob };
