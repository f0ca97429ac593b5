import { InkwellError, isTerminal } from '@inkwell/contracts';
import { jobSchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { presentJob } from '../../delivery/job-resource.ts';
import { cancelJob } from '../../jobs/cancel-job.ts';
import { readJob } from '../../jobs/read-job.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /v1/jobs/{id}/cancel`: over when this answers, with what was produced until then. */
export const cancelOneJob = defineOperation({
  id: 'cancelJob',
  method: 'post',
  path: '/v1/jobs/{id}/cancel',
  tag: 'Jobs',
  summary: 'Cancel a job',
  description: 'A queued job never starts; a running one stops within one step. Cancelling twice is fine.',
  access: 'key',
  scope: 'jobs',
  params: z.object({ id: z.string() }),
  answers: { 200: jsonAnswer('The cancelled job with what it had produced.', jobSchema) },
  errors: ['job_not_found', 'job_finished'],
  async handle(call, gateway) {
    const { caller, params } = call;
    const record = await readJob(gateway, caller, params.id);
    const ended = isTerminal(record.state) ? record : await cancelJob(gateway, record, call);
    if (ended.state !== 'cancelled') {
      throw new InkwellError('job_finished', { param: 'id', message: `The job has already ended: ${ended.state}.` });
    }
    return json(200, await presentJob(gateway, ended));
  },
});
