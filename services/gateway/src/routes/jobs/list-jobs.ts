import { jobListQuerySchema, jobListSchema } from '@inkwell/contracts/http';
import { toJobResources } from '../../delivery/job-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

const defaultLimit = 20;

/** `GET /v1/jobs`: the caller's jobs, newest first. */
export const listJobs = defineOperation({
  id: 'listJobs',
  method: 'get',
  path: '/v1/jobs',
  tag: 'Jobs',
  summary: 'List and search jobs',
  access: 'key',
  scope: 'jobs',
  query: jobListQuerySchema,
  answers: { 200: jsonAnswer('A page of jobs, newest first.', jobListSchema) },
  async handle({ caller, query }, gateway) {
    const { records, hasMore } = await gateway.ports.jobStore.list(
      { tenant: caller.tenant, states: query.state, metadata: query.metadata },
      { limit: query.limit ?? defaultLimit, after: query.after },
    );
    const data = await toJobResources(gateway, records);
    const [first, last] = [data.at(0)?.id ?? null, data.at(-1)?.id ?? null];
    return json(200, { object: 'list', data, has_more: hasMore, first_id: first, last_id: last });
  },
});
