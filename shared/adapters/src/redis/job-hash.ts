/**
 * Between a job's record and its hash. What it was created with is one piece of JSON that never changes; what may change is laid over it
 * field by field. Beside these the hash holds `priority` and `createdAt`, which scripts need, `created` and `moved`, the marks of those
 * calls, and `writer`, the highest fence that moved the job.
 */
import type { JobRecord, NewJob } from '@inkwell/contracts';
import type { JobPatch } from '@inkwell/ports';

/** The fields a record is made of, in the order `toRecord` takes their values. */
export const recordFields = [
  'given',
  'state',
  'ordinal',
  'attempts',
  'startedAt',
  'finishedAt',
  'result',
  'error',
] as const;

/** Undefined when there is no such job: the hash may hold a lease or a story's end alone. */
export function toRecord(values: readonly (string | null)[]): JobRecord | undefined {
  const [given, state, ordinal, attempts, startedAt, finishedAt, result, error] = values;
  if (given == null) return undefined;
  const record = JSON.parse(given) as JobRecord;
  record.state = state as JobRecord['state'];
  record.ordinal = Number(ordinal);
  if (attempts != null) record.attempts = Number(attempts);
  if (startedAt != null) record.startedAt = JSON.parse(startedAt) as number | null;
  if (finishedAt != null) record.finishedAt = JSON.parse(finishedAt) as number | null;
  if (result != null) record.result = JSON.parse(result) as JobRecord['result'];
  if (error != null) record.error = JSON.parse(error) as JobRecord['error'];
  return record;
}

/** The record of a job that was handed to a worker when it was made: begun in the same instant, and never in the queue. */
export function begun(given: NewJob): JobRecord {
  return { ...given, ordinal: 0, state: 'in_progress', attempts: 1, startedAt: given.createdAt };
}

export function toGiven(job: NewJob): string {
  return JSON.stringify(job);
}

/** Fields and values, one after the other, of what the patch names; null is a value, undefined leaves the field as it is. */
export function toFields(patch: JobPatch): string[] {
  const fields: string[] = [];
  for (const name of ['attempts', 'startedAt', 'finishedAt', 'result', 'error'] as const) {
    const value = patch[name];
    if (value !== undefined) fields.push(name, JSON.stringify(value));
  }
  return fields;
}
