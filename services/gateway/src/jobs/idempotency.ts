/**
 * `Idempotency-Key`: the same request sent again gets the same answer. The job's id is chosen with the claim, so a repeat after a crash takes
 * up the same job. A claim is given back only when it is certain that nothing was created; otherwise a repeat must meet the same job.
 */
import { type ErrorCode, InkwellError } from '@inkwell/contracts';
import type { BeginResult } from '@inkwell/ports';
import type { GatewayContext } from '../context.ts';
import { errorAnswer } from '../http/error-answer.ts';
import type { Answer, Call, Rule } from '../operation.ts';
import { newJobId } from './job-id.ts';

const keyFormat = /^[!-~]{1,255}$/;
/** Refusals before anything was created. */
const nothingCreated: ReadonlySet<ErrorCode> = new Set([
  'queue_full',
  'tenant_queue_full',
  'rate_limit_exceeded',
  'token_limit_exceeded',
  'budget_exceeded',
]);
/** Ends of a job: the same for every repeat. */
const settled: ReadonlySet<ErrorCode> = new Set(['generation_failed', 'deadline_exceeded', 'job_cancelled']);

export const idempotencyHeader = {
  'Idempotency-Key': {
    description: 'Any text of yours (1–255 visible ASCII characters); kept 24 h.',
    pattern: keyFormat.source,
  },
};

export const idempotencyRule: Rule = {
  param: 'Idempotency-Key',
  code: 'idempotency_mismatch',
  rule: 'one key stands for one request',
};

/** @throws InkwellError `invalid_header` */
export function idempotencyKey(call: Call): string | undefined {
  const header = call.request.headers['idempotency-key'];
  if (header === undefined) return undefined;
  if (typeof header === 'string' && keyFormat.test(header)) return header;
  throw new InkwellError('invalid_header', {
    param: 'Idempotency-Key',
    message: 'Idempotency-Key: must be 1 to 255 visible ASCII characters.',
  });
}

/** Claims the key. Answers an outcome the caller must act on; a mismatch has been thrown. */
async function claim(gateway: GatewayContext, call: Call, key: string) {
  const { ports, config } = gateway;
  const begun: BeginResult = await ports.idempotencyStore.begin({
    tenant: call.caller.tenant,
    key,
    requestHash: call.requestHash,
    resourceId: newJobId(),
    claimTtlMs: config.idempotencyClaimMs,
    retentionMs: config.idempotencyRetentionMs,
  });
  if (begun.outcome === 'mismatch') throw new InkwellError('idempotency_mismatch', { param: 'Idempotency-Key' });
  return begun;
}

const inProgress = () =>
  new InkwellError('idempotency_in_progress', { param: 'Idempotency-Key', retryAfterSeconds: 1 });

export const replayedHeader = { 'idempotent-replayed': 'true' };

/** Settles a claim after its work has failed. */
async function settleFailure(gateway: GatewayContext, call: Call, key: string, thrown: unknown): Promise<void> {
  if (!(thrown instanceof InkwellError)) return;
  const { idempotencyStore } = gateway.ports;
  const { tenant } = call.caller;
  if (nothingCreated.has(thrown.code)) await idempotencyStore.abandon(tenant, key);
  if (!settled.has(thrown.code)) return;
  const { status, headers, body } = errorAnswer(thrown, undefined, call.requestId);
  await idempotencyStore.finish(tenant, key, { status, headers: { ...headers }, body: String(body) });
}

/**
 * Runs `work` once per key. It gets the id its job must have, and answers undefined when the client left and its job was cancelled: then the
 * key is free again.
 */
export async function idempotently(
  gateway: GatewayContext,
  call: Call,
  work: (jobId: string) => Promise<Answer | undefined>,
): Promise<Answer | undefined> {
  const key = idempotencyKey(call);
  if (key === undefined) return work(newJobId());
  const begun = await claim(gateway, call, key);
  if (begun.outcome === 'in_progress') throw inProgress();
  if (begun.outcome === 'replay') {
    const { status, headers, body } = begun.response;
    return { status, headers: { ...headers, ...replayedHeader }, contentType: 'application/json', body };
  }
  const { idempotencyStore } = gateway.ports;
  try {
    const answer = await work(begun.resourceId);
    if (!answer) await idempotencyStore.abandon(call.caller.tenant, key);
    else {
      const { status, headers = {}, body } = answer;
      await idempotencyStore.finish(call.caller.tenant, key, { status, headers: { ...headers }, body: String(body) });
    }
    return answer;
  } catch (thrown) {
    await settleFailure(gateway, call, key, thrown);
    throw thrown;
  }
}

/**
 * For streams, whose answer is not kept: `start` makes the job (or finds it made), `join` tells whether it exists already. A repeat reads the
 * same job's stream from its beginning.
 */
export async function idempotentStream<T>(
  gateway: GatewayContext,
  call: Call,
  start: (jobId: string) => Promise<T>,
  join: (jobId: string) => Promise<T | undefined>,
): Promise<{ value: T; replayed: boolean }> {
  const key = idempotencyKey(call);
  if (key === undefined) return { value: await start(newJobId()), replayed: false };
  const begun = await claim(gateway, call, key);
  if (begun.outcome !== 'begin') {
    const value = await join(begun.resourceId);
    if (value === undefined) throw inProgress();
    return { value, replayed: true };
  }
  try {
    const value = await start(begun.resourceId);
    await gateway.ports.idempotencyStore.finish(call.caller.tenant, key, { status: 200, headers: {}, body: '' });
    return { value, replayed: begun.resumed };
  } catch (thrown) {
    await settleFailure(gateway, call, key, thrown);
    throw thrown;
  }
}
