import { isTerminal } from '@inkwell/contracts';
import { jobGetQuerySchema, jobSchema, maxWaitSeconds } from '@inkwell/contracts/http';
import { z } from 'zod';
import { presentJob } from '../../delivery/job-resource.ts';
import { waitForChange } from '../../delivery/long-poll.ts';
import { readJob } from '../../jobs/read-job.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** RFC 7240, section 4.3. What can't be understood is ignored, as that RFC asks; longer waits than we grant are shortened. */
function preferredWait(header: string | string[] | undefined): number | undefined {
  const seconds = /(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])/i.exec(String(header ?? ''))?.[1];
  return seconds === undefined ? undefined : Math.min(Number(seconds), maxWaitSeconds);
}

/** `GET /v1/jobs/{id}`: the job now, or once its state has changed. */
export const getJob = defineOperation({
  id: 'getJob',
  method: 'get',
  path: '/v1/jobs/{id}',
  tag: 'Jobs',
  summary: 'Get a job',
  description: 'With `wait` it answers when the state changes (queued → in progress → ended) or the time is over.',
  access: 'key',
  scope: 'jobs',
  params: z.object({ id: z.string() }),
  query: jobGetQuerySchema,
  headers: { Prefer: { description: '`wait=30` does the same as the query parameter.' } },
  answers: { 200: jsonAnswer('The job.', jobSchema) },
  errors: ['job_not_found'],
  async handle({ caller, gone, params, query, request }, gateway) {
    const record = await readJob(gateway, caller, params.id);
    const preferred = query.wait === undefined ? preferredWait(request.headers.prefer) : undefined;
    const waitSeconds = query.wait ?? preferred ?? 0;
    const headers = preferred === undefined ? undefined : { 'preference-applied': `wait=${preferred}` };
    if (waitSeconds === 0 || isTerminal(record.state)) return json(200, await presentJob(gateway, record), headers);
    await waitForChange(gateway, record, waitSeconds * 1_000, gone);
    return json(200, await presentJob(gateway, await readJob(gateway, caller, params.id)), headers);
  },
});
