/** Job records ↔ rows of the jobs table. The JSON columns are written here and read here only. */
import type { JobRecord, NewJob } from '@inkwell/contracts';
import type { JobPatch } from '@inkwell/ports';
import type { JobRow, NewJobRow, RowPatch } from './operations/jobs.ts';

/** What the client and the gateway decided once: neither searched nor ever changed, so it is kept as one piece of JSON. */
type Given = Omit<
  NewJob,
  | 'key'
  | 'tenant'
  | 'id'
  | 'state'
  | 'priority'
  | 'attempts'
  | 'createdAt'
  | 'startedAt'
  | 'finishedAt'
  | 'error'
  | 'result'
>;

export function toRow(job: NewJob): NewJobRow {
  const { key, tenant, id, state, priority, attempts, createdAt, startedAt, finishedAt, error, result, ...given } = job;
  return {
    key,
    tenant,
    id,
    state,
    priority,
    attempts,
    created_at: createdAt,
    started_at: startedAt,
    finished_at: finishedAt,
    error: toJson(error),
    result: toJson(result),
    given: JSON.stringify(given satisfies Given),
  };
}

export function toRecord(row: JobRow): JobRecord {
  return {
    ...(JSON.parse(row.given) as Given),
    key: row.key,
    tenant: row.tenant,
    id: row.id,
    state: row.state,
    priority: row.priority,
    ordinal: row.ordinal,
    attempts: row.attempts,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    error: fromJson(row.error),
    result: fromJson(row.result),
  };
}

/** Only the fields the patch names; null is a value, undefined leaves the field as it is. */
export function toRowPatch(patch: JobPatch): RowPatch {
  const row: RowPatch = {};
  if (patch.startedAt !== undefined) row.started_at = patch.startedAt;
  if (patch.finishedAt !== undefined) row.finished_at = patch.finishedAt;
  if (patch.attempts !== undefined) row.attempts = patch.attempts;
  if (patch.result !== undefined) row.result = toJson(patch.result);
  if (patch.error !== undefined) row.error = toJson(patch.error);
  return row;
}

/** One metadata pair as it is indexed: JSON keeps name and value apart, whatever characters they hold. */
export function toPair(name: string, value: string): string {
  return JSON.stringify([name, value]);
}

function toJson(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

function fromJson<Value>(text: string | null): Value | null {
  return text === null ? null : (JSON.parse(text) as Value);
}
