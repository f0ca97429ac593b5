import { InkwellError, isTerminalEvent } from '@inkwell/contracts';
import { jobEventsQuerySchema, jobStreamSchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { streamJob } from '../../delivery/stream-job.ts';
import { readJob } from '../../jobs/read-job.ts';
import { defineOperation } from '../../operation.ts';

/** Browsers send an empty one before their first event. */
const eventId = /^[0-9]{0,15}$/;

function lastEventId(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === '') return undefined;
  if (typeof header === 'string' && eventId.test(header)) return Number(header);
  throw new InkwellError('invalid_header', {
    param: 'Last-Event-ID',
    message: 'Last-Event-ID: must be the id of an event of this stream.',
  });
}

/** `GET /v1/jobs/{id}/events`: the job's story, from wherever the client left off. */
export const jobEvents = defineOperation({
  id: 'jobEvents',
  method: 'get',
  path: '/v1/jobs/{id}/events',
  tag: 'Jobs',
  summary: 'Follow a job',
  description:
    'Numbered server-sent events without a gap. The stream ends after the terminal event, which holds the whole job.',
  access: 'key',
  scope: 'jobs',
  params: z.object({ id: z.string() }),
  query: jobEventsQuerySchema,
  headers: {
    'Last-Event-ID': {
      description: 'Number of the last event the client has; browsers send it by themselves.',
      pattern: eventId.source,
    },
  },
  answers: {
    200: { description: 'The events.', content: { 'text/event-stream': jobStreamSchema } },
    204: { description: 'The client has it all: do not reconnect.' },
  },
  errors: ['job_not_found'],
  async handle(call, gateway) {
    const record = await readJob(gateway, call.caller, call.params.id);
    const afterSeq = lastEventId(call.request.headers['last-event-id']) ?? call.query.starting_after ?? 0;
    const last = await gateway.ports.resultStream.last(record.key);
    if (last && isTerminalEvent(last) && last.seq <= afterSeq) {
      return { status: 204, contentType: 'text/event-stream', body: '' };
    }
    if (call.request.method === 'HEAD') return { status: 200, contentType: 'text/event-stream', body: '' };
    streamJob(gateway, call, record, afterSeq);
    return undefined;
  },
});
