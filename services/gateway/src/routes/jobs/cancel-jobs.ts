import type { JobRecord } from '@inkwell/contracts';
import { jobCancelAnswerSchema, jobCancelFilterSchema } from '@inkwell/contracts/http';
import { currentBudget } from '@inkwell/resilience';
import type { By } from '../../audit/audit.ts';
import type { GatewayContext } from '../../context.ts';
import { cancelJob } from '../../jobs/cancel-job.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

const pageSize = 100;
/** A request's work must end, after so many pages or when half of its budget is spent; who has more jobs sends it again. */
const maxPages = 10;

async function cancelPage(gateway: GatewayContext, records: readonly JobRecord[], by: By): Promise<string[]> {
  const ended = await Promise.all(records.map((record) => cancelJob(gateway, record, by)));
  return ended.filter(({ state }) => state === 'cancelled').map(({ id }) => id);
}

/** `POST /v1/jobs/cancel`: all unfinished jobs of the caller that match. */
export const cancelJobs = defineOperation({
  id: 'cancelJobs',
  method: 'post',
  path: '/v1/jobs/cancel',
  tag: 'Jobs',
  summary: 'Cancel many jobs',
  description: `Cancels up to ${pageSize * maxPages} unfinished jobs that match, newest first.`,
  access: 'key',
  scope: 'jobs',
  body: jobCancelFilterSchema,
  answers: { 200: jsonAnswer('Which jobs were cancelled.', jobCancelAnswerSchema) },
  async handle(call, gateway) {
    const { body, caller } = call;
    const states = body.state === undefined ? (['queued', 'in_progress'] as const) : [body.state].flat();
    const filter = { tenant: caller.tenant, states, metadata: body.metadata };
    const cancelled: string[] = [];
    let hasMore = true;
    let after: string | undefined;
    const enough = gateway.config.requestBudgetMs / 2;
    for (let page = 0; hasMore && page < maxPages && (currentBudget()?.leftMs ?? enough) >= enough; page++) {
      // Read before cancelling: the next page continues after a job that no longer matches.
      const found = await gateway.ports.jobStore.list(filter, { limit: pageSize, after });
      cancelled.push(...(await cancelPage(gateway, found.records, call)));
      after = found.records.at(-1)?.id;
      hasMore = found.hasMore;
    }
    return json(200, { object: 'job.cancellation', cancelled, has_more: hasMore });
  },
});
