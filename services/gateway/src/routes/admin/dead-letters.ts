/** Jobs that were given up: looking at them, and doing the same again under a new id. What their owners wrote and got is not shown. */
import { createHash } from 'node:crypto';
import { InkwellError, type JobRecord } from '@inkwell/contracts';
import {
  deadLetterDetailSchema,
  deadLetterIdSchema,
  deadLetterListQuerySchema,
  deadLetterListSchema,
  reachableDeadLetters,
  requeuedSchema,
} from '@inkwell/contracts/http';
import type { DeadLetter } from '@inkwell/ports';
import { z } from 'zod';
import { audited } from '../../audit/audit.ts';
import type { GatewayContext } from '../../context.ts';
import { toJobResource } from '../../delivery/job-resource.ts';
import { acceptJob } from '../../jobs/accept-job.ts';
import { acceptAgain } from '../../jobs/accepted-request.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

const params = z.object({ id: deadLetterIdSchema });

const idOf = ({ message }: DeadLetter) => `dl_${Buffer.from(message.key).toString('base64url')}`;
const jobIdOf = ({ message: { key, tenant } }: DeadLetter) => key.slice(tenant.length + 1);

function toResource(letter: DeadLetter) {
  const { message, reason, attempts, at } = letter;
  return {
    id: idOf(letter),
    object: 'dead_letter',
    tenant: message.tenant,
    job_id: jobIdOf(letter),
    model: message.model,
    priority: message.priority,
    reason,
    attempts,
    created_at: message.createdAt / 1_000,
    dead_at: at / 1_000,
  };
}

/** Newest first, each job once. */
async function newest({ ports }: GatewayContext): Promise<DeadLetter[]> {
  const letters = await ports.jobBus.deadLetters(reachableDeadLetters);
  return [...Map.groupBy(letters, ({ message }) => message.key).values()].map(([first]) => first!);
}

async function find(gateway: GatewayContext, id: string): Promise<DeadLetter> {
  const letter = (await newest(gateway)).find((one) => idOf(one) === id);
  if (letter) return letter;
  throw new InkwellError('not_found', { param: 'id', message: 'There is no such dead letter.' });
}

/** `GET /api/admin/dead-letters` */
export const listDeadLetters = defineOperation({
  id: 'listDeadLetters',
  method: 'get',
  path: '/api/admin/dead-letters',
  tag: 'Administration',
  summary: 'Jobs that were given up',
  description: `Newest first; the newest ${reachableDeadLetters} can be reached.`,
  access: 'operator',
  scope: 'admin',
  query: deadLetterListQuerySchema,
  answers: { 200: jsonAnswer('Dead letters.', deadLetterListSchema) },
  async handle({ query: { limit = 20, after } }, gateway) {
    const letters = await newest(gateway);
    const last = letters.findIndex((one) => idOf(one) === after);
    const from = after === undefined ? 0 : last < 0 ? letters.length : last + 1;
    const data = letters.slice(from, from + limit).map(toResource);
    return json(200, { object: 'list', data, has_more: letters.length > from + limit });
  },
});

/** `GET /api/admin/dead-letters/{id}` */
export const getDeadLetter = defineOperation({
  id: 'getDeadLetter',
  method: 'get',
  path: '/api/admin/dead-letters/{id}',
  tag: 'Administration',
  summary: 'A dead letter with its job',
  access: 'operator',
  scope: 'admin',
  params,
  answers: { 200: jsonAnswer('The dead letter.', deadLetterDetailSchema) },
  errors: ['not_found'],
  async handle({ params: { id } }, gateway) {
    const letter = await find(gateway, id);
    const record = await gateway.ports.jobStore.get(letter.message.key);
    return json(200, { ...toResource(letter), job: record === undefined ? null : withoutContent(record) });
  },
});

function withoutContent(record: JobRecord) {
  const { result: _, metadata: __, ...rest } = toJobResource(record, null);
  return rest;
}

/** Of the letter alone, so that asking twice makes one job. */
function successorOf({ message, at }: DeadLetter): string {
  return `job_${createHash('sha256').update(`${message.key}\n${at}`).digest('hex').slice(0, 32)}`;
}

/** `POST /api/admin/dead-letters/{id}/requeue` */
export const requeueDeadLetter = defineOperation({
  id: 'requeueDeadLetter',
  method: 'post',
  path: '/api/admin/dead-letters/{id}/requeue',
  tag: 'Administration',
  summary: 'Run a job that was given up once more',
  description:
    'As a new job of the same owner, with the same seed and webhook, without deadline, and bound by no rate limit. The failed job stays as it is.',
  access: 'operator',
  scope: 'admin',
  params,
  answers: { 202: jsonAnswer('The new job waits.', requeuedSchema) },
  errors: ['not_found', 'job_not_found', 'tenant_queue_full', 'queue_full'],
  async handle(call, gateway) {
    const letter = await find(gateway, call.params.id);
    const record = await gateway.ports.jobStore.get(letter.message.key);
    if (record === undefined) {
      throw new InkwellError('job_not_found', { param: 'id', message: 'The record of this job is no longer kept.' });
    }
    const jobId = successorOf(letter);
    const { tenant } = letter.message;
    const act = {
      action: 'admin.dead_letters_replayed',
      resource: `job/${jobIdOf(letter)}`,
      tenant,
      details: { jobId },
    } as const;
    await audited(gateway, call, act, () => acceptJob(gateway, acceptAgain(record, call.requestId), jobId));
    return json(202, { object: 'dead_letter.requeued', id: idOf(letter), tenant, job_id: jobId });
  },
});
