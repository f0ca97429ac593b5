import { completionSchema, generateRequestSchema, generateTemperature } from '@inkwell/contracts/http';
import { runAndWait, runErrors } from '../../delivery/run-and-wait.ts';
import { acceptRequest } from '../../jobs/accepted-request.ts';
import { cacheHeader, readCacheWish } from '../../jobs/cache-wish.ts';
import { deadlineHeader } from '../../jobs/deadline.ts';
import { generationRules } from '../../jobs/generation-rules.ts';
import { idempotencyHeader, idempotencyKey, idempotencyRule, idempotently } from '../../jobs/idempotency.ts';
import { defineOperation, jsonAnswer, type Operation } from '../../operation.ts';

/** The older synchronous endpoint, with its own default temperature and one rule more, at an address of its own. */
export function generateOperation({ id, path, summary }: Pick<Operation, 'id' | 'path' | 'summary'>) {
  return defineOperation({
    id,
    method: 'post',
    path,
    tag: 'Completions',
    summary,
    description: 'Synchronous generation. `temperature` and `top_p` must not both be below 1.',
    access: 'key',
    scope: 'generate',
    limit: 'job',
    body: generateRequestSchema,
    headers: { ...idempotencyHeader, ...deadlineHeader, ...cacheHeader },
    rules: [
      ...generationRules,
      idempotencyRule,
      { param: 'top_p', rule: 'temperature and top_p must not both be below 1' },
    ],
    answers: { 200: jsonAnswer('The generated text.', completionSchema) },
    errors: runErrors,
    async handle(call, gateway) {
      const request = {
        ...call.body,
        model: call.body.model ?? gateway.models[0]!.id,
        temperature: call.body.temperature ?? generateTemperature,
      };
      const onDisconnect = idempotencyKey(call) === undefined ? 'cancel' : 'continue';
      const accepted = acceptRequest(request, call, gateway, { priority: 'interactive', onDisconnect });
      const wish = readCacheWish(call, accepted, call.body.seed);
      return idempotently(gateway, call, (jobId) => runAndWait(gateway, call, accepted, jobId, wish));
    },
  });
}
