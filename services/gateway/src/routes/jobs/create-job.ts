import { jobRequestSchema, jobSchema } from '@inkwell/contracts/http';
import { presentJob } from '../../delivery/job-resource.ts';
import { acceptJob } from '../../jobs/accept-job.ts';
import { acceptRequest } from '../../jobs/accepted-request.ts';
import { deadlineHeader } from '../../jobs/deadline.ts';
import { generationRules } from '../../jobs/generation-rules.ts';
import { idempotencyHeader, idempotencyRule, idempotently } from '../../jobs/idempotency.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /v1/jobs`: answers as soon as the job is durable. */
export const createJob = defineOperation({
  id: 'createJob',
  method: 'post',
  path: '/v1/jobs',
  tag: 'Jobs',
  summary: 'Create a job',
  description: 'The job is durable when this answers. Follow it by `events_url`, or wait for it at `response_url`.',
  access: 'key',
  scope: 'generate',
  limit: 'job',
  body: jobRequestSchema,
  headers: { ...idempotencyHeader, ...deadlineHeader },
  rules: [...generationRules, idempotencyRule],
  answers: { 202: jsonAnswer('The job, waiting. `Location` is its address.', jobSchema) },
  errors: [
    'content_policy_violation',
    'context_length_exceeded',
    'model_not_found',
    'idempotency_mismatch',
    'tenant_queue_full',
    'queue_full',
  ],
  async handle(call, gateway) {
    const accepted = acceptRequest(call.body, call, gateway, { priority: 'standard', onDisconnect: 'continue' });
    return idempotently(gateway, call, async (jobId) => {
      const { record } = await acceptJob(gateway, accepted, jobId);
      const job = await presentJob(gateway, record);
      return json(202, job, { location: job.status_url });
    });
  },
});
