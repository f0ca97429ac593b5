import { type JobRecord, jobKey } from '@inkwell/contracts';
import {
  type CompletionRequest,
  completionRequestSchema,
  completionSchema,
  completionStreamSchema,
} from '@inkwell/contracts/http';
import type { GatewayContext } from '../../context.ts';
import { jobHeader, runAndWait, runErrors } from '../../delivery/run-and-wait.ts';
import { streamCompletion } from '../../delivery/stream-completion.ts';
import { acceptJob } from '../../jobs/accept-job.ts';
import { type AcceptedRequest, acceptRequest } from '../../jobs/accepted-request.ts';
import { cacheHeader, readCacheWish } from '../../jobs/cache-wish.ts';
import { deadlineHeader } from '../../jobs/deadline.ts';
import { generationRules } from '../../jobs/generation-rules.ts';
import {
  idempotencyHeader,
  idempotencyKey,
  idempotencyRule,
  idempotently,
  idempotentStream,
  replayedHeader,
} from '../../jobs/idempotency.ts';
import { type Call, defineOperation } from '../../operation.ts';

type CompletionCall = Call<unknown, unknown, CompletionRequest>;

async function stream(gateway: GatewayContext, call: CompletionCall, accepted: AcceptedRequest): Promise<void> {
  const start = async (jobId: string): Promise<JobRecord> =>
    (await acceptJob(gateway, accepted, jobId, 'story')).record;
  const join = (jobId: string) => gateway.ports.jobStore.get(jobKey(accepted.tenant, jobId));
  const { value: record, replayed } = await idempotentStream(gateway, call, start, join);
  streamCompletion(gateway, call, record, {
    includeUsage: call.body.stream_options?.include_usage ?? false,
    headers: { ...jobHeader(record), ...(replayed ? replayedHeader : {}) },
  });
}

/** `POST /v1/completions`, as OpenAI has it: the whole text at once, or as it is generated. */
export const createCompletion = defineOperation({
  id: 'createCompletion',
  method: 'post',
  path: '/v1/completions',
  tag: 'Completions',
  summary: 'Complete a text',
  description:
    'Works with the OpenAI SDKs. The job behind the answer is named in `x-inkwell-job-id`. It is cancelled when the client leaves, unless ' +
    '`on_disconnect` or an `Idempotency-Key` says that the answer will still be wanted.',
  access: 'key',
  scope: 'generate',
  limit: 'job',
  body: completionRequestSchema,
  headers: { ...idempotencyHeader, ...deadlineHeader, ...cacheHeader },
  rules: [
    ...generationRules,
    idempotencyRule,
    { param: 'best_of', rule: 'must be left out or equal to n with stream: true' },
    { param: 'stream_options', rule: 'is only allowed with stream: true' },
  ],
  answers: {
    200: {
      description: 'The completion, or with `stream: true` its chunks.',
      content: { 'application/json': completionSchema, 'text/event-stream': completionStreamSchema },
    },
  },
  errors: runErrors,
  async handle(call, gateway) {
    const onDisconnect = idempotencyKey(call) === undefined ? 'cancel' : 'continue';
    const accepted = acceptRequest(call.body, call, gateway, { priority: 'interactive', onDisconnect });
    const wish = readCacheWish(call, accepted, call.body.seed);
    if (!call.body.stream)
      return idempotently(gateway, call, (jobId) => runAndWait(gateway, call, accepted, jobId, wish));
    await stream(gateway, call, accepted);
    return undefined;
  },
});
