/**
 * The accept protocol: limits taken, record and first event durable, then published unless a worker has it already, and only then may the client
 * hear of it. Every step can be repeated with the same id, so a repeat after a crash anywhere in between ends in the same one job.
 */
import {
  InkwellError,
  isTerminal,
  type JobRecord,
  jobCreatedFact,
  jobKey,
  type NewJob,
  toJobMessage,
} from '@inkwell/contracts';
import { settleJob } from '@inkwell/limits';
import type { Reading } from '@inkwell/ports';
import type { GatewayContext } from '../context.ts';
import { takeQuota } from '../limits/quota.ts';
import type { AcceptedRequest } from './accepted-request.ts';
import { secondsUntilRoom } from './estimates.ts';

export interface AcceptedJob {
  record: JobRecord;
  /** False when an equal request had made it before. */
  created: boolean;
}

function toNewJob({ quota, ...accepted }: AcceptedRequest, id: string, now: number): NewJob {
  const limitsTokens = quota.limits.some(({ unit }) => unit === 'tokens');
  return {
    ...accepted,
    ...(limitsTokens ? { reservedTokens: accepted.costTokens } : {}),
    key: jobKey(accepted.tenant, id),
    id,
    state: 'queued',
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    attempts: 0,
    result: null,
    error: null,
  };
}

function refusal(gateway: GatewayContext, scope: 'queue' | 'tenant', queued: number): InkwellError {
  return new InkwellError(scope === 'queue' ? 'queue_full' : 'tenant_queue_full', {
    message: `${scope === 'queue' ? 'The queue is' : 'Your queue is'} full: ${queued} jobs are waiting.`,
    retryAfterSeconds: secondsUntilRoom(queued, gateway.workerStats()),
  });
}

/**
 * @param reading what will be asked of its story next
 * @throws InkwellError `queue_full`, `tenant_queue_full`, `job_exists`, `dependency_unavailable`, or that a limit is reached
 */
export async function acceptJob(
  gateway: GatewayContext,
  accepted: AcceptedRequest,
  id: string,
  reading: Reading = 'nothing',
): Promise<AcceptedJob> {
  gateway.trail.ensureRoom();
  const job = toNewJob(accepted, id, gateway.clock.now());
  const taken = await takeQuota(gateway, accepted.quota, job.key, accepted.costTokens);
  const result = await gateway.ports.jobSteps.accept(job, gateway.config.limits, reading);
  // Taken for nothing: no job will ever settle it. Whoever ended the job that was there before settled its own before that showed.
  const isVain =
    result.outcome === 'full' ||
    (result.outcome === 'exists' && (isTerminal(result.record.state) || result.record.reservedTokens === undefined));
  if (isVain && taken === 'granted') await settleJob(gateway.ports.rateLimiter, job, { result: null });
  if (result.outcome === 'full') throw refusal(gateway, result.scope, result.queued);
  const { record } = result;
  const created = result.outcome === 'created';
  if (!created && record.requestHash !== accepted.requestHash) throw new InkwellError('job_exists', { param: 'id' });
  // In the same turn as the publish, so that one commit or one request to the log carries both. The fact of its end tells of the creation too:
  // who will see that end waits a while for it.
  if (created) {
    if (reading === 'nothing') gateway.trail.publishBehind(jobCreatedFact(record), { toldAgain: true });
    else gateway.trail.hold(record.key, jobCreatedFact(record));
  }
  if (record.state === 'queued') {
    await gateway.ports.jobBus.publish(toJobMessage(record));
    gateway.publishedMarks.add(record.key);
  }
  if (created) gateway.metrics.jobsAccepted.inc({ priority: record.priority });
  return { record, created };
}
