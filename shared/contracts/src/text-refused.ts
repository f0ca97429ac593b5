/** The audit event of a text the content policy cut off, made from the job's record and story: whoever tells it, and however often, it is the same. */
import { auditFact } from './audit.ts';
import type { Fact } from './fact.ts';
import type { JobRecord } from './job.ts';
import { creatorOf } from './job-ended.ts';

/** Whether any of the job's texts was cut off. */
export function hasRefusedText({ result }: JobRecord): boolean {
  return result?.choices.some(({ finish_reason }) => finish_reason === 'content_filter') ?? false;
}

/** @param rule id of the rule that cut off the first of them */
export function textRefusedFact(record: JobRecord, rule: string): Fact {
  const { key, tenant, id, requestId, finishedAt, createdAt } = record;
  const { actor, keyId, ip } = creatorOf(record);
  return auditFact(`policy.refused:${key}`, finishedAt ?? createdAt, {
    actor,
    keyId,
    tenant,
    action: 'policy.refused',
    resource: `job/${id}`,
    outcome: 'refused',
    ip,
    requestId,
    reason: rule,
    details: { direction: 'output' },
  });
}
