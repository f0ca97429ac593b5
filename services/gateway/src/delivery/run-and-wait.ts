/** Synchronous generation: the job is made, awaited and answered as a completion. */
import { type ErrorCode, InkwellError, type JobRecord } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';
import { acceptJob } from '../jobs/accept-job.ts';
import type { AcceptedRequest } from '../jobs/accepted-request.ts';
import type { CacheWish } from '../jobs/cache-wish.ts';
import { cancelInBackground } from '../jobs/cancel-job.ts';
import type { CachedAnswer } from '../jobs/response-cache.ts';
import { noteHeaders } from '../middleware/response-head.ts';
import { type Answer, type Call, json } from '../operation.ts';
import { awaitOutcome } from './await-outcome.ts';
import { toCompletion } from './completion.ts';

/** What an operation that runs a job for its caller can refuse or end with, beside what every operation can. */
export const runErrors: readonly ErrorCode[] = [
  'content_policy_violation',
  'context_length_exceeded',
  'model_not_found',
  'job_cancelled',
  'idempotency_mismatch',
  'tenant_queue_full',
  'queue_full',
  'deadline_exceeded',
  'generation_failed',
];

/** Says which job is behind the answer, also when that is an error. */
export function jobHeader(record: JobRecord): Record<string, string> {
  return { 'x-inkwell-job-id': record.id };
}

function keptAnswer({ body, jobId }: CachedAnswer): Answer {
  const headers = { 'x-inkwell-job-id': jobId, 'x-inkwell-cache': 'hit' };
  return { status: 200, headers, contentType: 'application/json', body };
}

/**
 * Undefined when the client left and the job was cancelled for it. A job that continues without its client is awaited all the same, so that
 * its answer can be kept for a repeat.
 * @throws InkwellError what accepting throws, what the job's end amounts to, or `shutting_down` (the job lives on)
 */
export async function runAndWait(
  gateway: GatewayContext,
  call: Call,
  accepted: AcceptedRequest,
  jobId: string,
  wish?: CacheWish,
): Promise<Answer | undefined> {
  const kept = wish?.key ? gateway.responseCache.get(wish.key) : undefined;
  if (wish) gateway.metrics.responseCache.inc({ outcome: kept ? 'hit' : 'miss' });
  if (kept) return keptAnswer(kept);
  const { record } = await acceptJob(gateway, accepted, jobId, 'end');
  const headers = { ...jobHeader(record), ...(wish && { 'x-inkwell-cache': 'miss' }) };
  noteHeaders(call.response, headers);
  const cancels = record.onDisconnect === 'cancel';
  const outcome = await awaitOutcome(gateway, record, cancels ? call.gone : undefined);
  if (outcome) {
    const answer = json(200, toCompletion(record, outcome), headers);
    if (wish?.key) gateway.responseCache.put(wish.key, { body: String(answer.body), jobId: record.id });
    return answer;
  }
  if (!call.gone.aborted) throw new InkwellError('shutting_down');
  cancelInBackground(gateway, record, call);
  return undefined;
}
