/** Between a job's record and its document, so that every field comes back as it was given. */
import type { JobKey, JobRecord, NewJob } from '@inkwell/contracts';
import type { JobPatch } from '@inkwell/ports';
import type { JobDocument, Move } from './schema.ts';

type Fixed = Pick<
  JobRecord,
  'spec' | 'metadata' | 'costTokens' | 'deadlineAt' | 'onDisconnect' | 'requestHash' | 'createdBy' | 'requestId'
>;

/** The document of a job that arrives under this move. */
export function arrivingDocument(job: NewJob, moveId: string, move: Move): JobDocument {
  const { spec, metadata, costTokens, deadlineAt, onDisconnect, requestHash, createdBy, requestId } = job;
  const fixed: Fixed = { spec, metadata, costTokens, deadlineAt, onDisconnect, requestHash, createdBy, requestId };
  return {
    _id: job.key,
    tenant: job.tenant,
    id: job.id,
    state: 'arriving',
    priority: job.priority,
    createdAt: job.createdAt,
    startedAt: job.startedAt,
    finishedAt: job.finishedAt,
    attempts: job.attempts,
    ordinal: 0,
    fence: 0,
    fixed: JSON.stringify(fixed),
    result: JSON.stringify(job.result),
    error: JSON.stringify(job.error),
    pairs: metadataPairs(metadata),
    pending: 1,
    movedAt: Date.now(),
    moves: { [moveId]: move },
  };
}

export function toRecord(document: JobDocument): JobRecord {
  const { _id, tenant, id, state, priority, createdAt, startedAt, finishedAt, attempts, ordinal } = document;
  if (state === 'arriving') throw new Error('A job that is not admitted has no record.');
  const times = { createdAt, startedAt: startedAt ?? null, finishedAt: finishedAt ?? null };
  return {
    key: _id as JobKey,
    tenant,
    id,
    state,
    priority,
    ...times,
    attempts,
    ordinal,
    ...(JSON.parse(document.fixed) as Fixed),
    result: JSON.parse(document.result) as JobRecord['result'],
    error: JSON.parse(document.error) as JobRecord['error'],
  };
}

/** The fields of the patch as the document has them; what the patch leaves out is not there. */
export function patchFields({ startedAt, finishedAt, attempts, result, error }: JobPatch): Partial<JobDocument> {
  return {
    ...(startedAt !== undefined && { startedAt }),
    ...(finishedAt !== undefined && { finishedAt }),
    ...(attempts !== undefined && { attempts }),
    ...(result !== undefined && { result: JSON.stringify(result) }),
    ...(error !== undefined && { error: JSON.stringify(error) }),
  };
}

export function metadataPairs(metadata: Record<string, string>): string[] {
  return Object.entries(metadata).map((pair) => JSON.stringify(pair));
}
