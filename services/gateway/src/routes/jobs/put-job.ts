import { jobIdSchema, jobRequestSchema, jobSchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { presentJob } from '../../delivery/job-resource.ts';
import { acceptJob } from '../../jobs/accept-job.ts';
import { acceptRequest } from '../../jobs/accepted-request.ts';
import { deadlineHeader } from '../../jobs/deadline.ts';
import { generationRules } from '../../jobs/generation-rules.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `PUT /v1/jobs/{id}`: the client names the job, so sending it again is harmless. */
export const putJob = defineOperation({
  id: 'putJob',
  method: 'put',
  path: '/v1/jobs/{id}',
  tag: 'Jobs',
  summary: 'Create a job under an id of your own',
  description: 'Sent again with the same body it answers the same job; with another body it is a conflict.',
  access: 'key',
  scope: 'generate',
  limit: 'job',
  params: z.object({ id: jobIdSchema }),
  body: jobRequestSchema,
  headers: deadlineHeader,
  rules: generationRules,
  answers: { 202: jsonAnswer('The job as it stands. `Location` is its address.', jobSchema) },
  errors: [
    'content_policy_violation',
    'context_length_exceeded',
    'model_not_found',
    'job_exists',
    'tenant_queue_full',
    'queue_full',
  ],
  async handle(call, gateway) {
    const accepted = acceptRequest(call.body, call, gateway, { priority: 'standard', onDisconnect: 'continue' });
    const { record } = await acceptJob(gateway, accepted, call.params.id);
    const job = await presentJob(gateway, record);
    return json(202, job, { location: job.status_url });
  },
});
