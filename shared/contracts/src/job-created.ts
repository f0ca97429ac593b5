/**
 * The audit event of a job's creation, made from the job alone: by the gateway that accepted it, and again from the fact of its end, in case that
 * gateway died before it was told. Both are the same event under the same id.
 */
import { type AuditEvent, auditFact } from './audit.ts';
import type { Fact } from './fact.ts';
import type { JobRecord } from './job.ts';
import { creatorOf, type JobEnded } from './job-ended.ts';

type Created = Pick<
  JobEnded,
  'key' | 'tenant' | 'jobId' | 'keyId' | 'actor' | 'ip' | 'requestId' | 'model' | 'priority' | 'createdAt'
>;

function eventOf({ tenant, jobId, keyId, actor, ip, requestId, model, priority }: Created): AuditEvent {
  return {
    actor,
    keyId,
    tenant,
    action: 'job.created',
    resource: `job/${jobId}`,
    outcome: 'allowed',
    ip,
    requestId,
    reason: null,
    details: { model, priority },
  };
}

function factOf(job: Created): Fact {
  return auditFact(`job.created:${job.key}`, job.createdAt, eventOf(job));
}

export function jobCreatedFact(record: JobRecord): Fact {
  const { key, tenant, id: jobId, requestId, priority, createdAt } = record;
  return factOf({ key, tenant, jobId, requestId, priority, createdAt, model: record.spec.model, ...creatorOf(record) });
}

/** The same fact, from the fact of the job's end. */
export function creationOfEnded(ended: JobEnded): Fact {
  return factOf(ended);
}
