/** The job resource of `/v1/jobs`: requests, the resource itself, lists and the events of its stream. */
import { z } from 'zod';
import { jobStates, priorities } from '../job.ts';
import { choiceSchema, usageSchema } from './completion.ts';
import { errorBodySchema } from './error.ts';
import { eventStreamOf } from './event-stream.ts';
import { generationRequestSchema, metadataSchema } from './generation.ts';
import { maxQueryInteger, queryInteger, queryList } from './query.ts';
import { orNull } from './text.ts';

export const jobRequestSchema = generationRequestSchema.meta({
  id: 'JobRequest',
  example: { model: 'inkwell-small', prompt: 'It was a dark and stormy night', max_tokens: 40 },
});

/** Ids need no escaping in a URL and can never be mistaken for a dot segment. */
export const jobIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._~:-]{0,127}$/, 'must be 1 to 128 letters, digits, or any of . _ ~ : -')
  .meta({ description: 'Id of the job; with PUT, of your own choosing.' });

const stateSchema = z.enum(jobStates).meta({ id: 'JobState' });
const secondsOrNull = z.number().nullable();

export const jobSchema = z
  .object({
    id: z.string(),
    object: z.literal('job'),
    status: stateSchema,
    model: z.string(),
    priority: z.enum(priorities),
    created_at: z.number().meta({ description: 'All times are Unix seconds with fractions.' }),
    started_at: secondsOrNull,
    finished_at: secondsOrNull,
    attempts: z.int(),
    position: z.int().nullable().meta({ description: 'Place in its class, from 1; null unless queued.' }),
    estimated_start_at: secondsOrNull,
    estimated_finish_at: secondsOrNull,
    deadline_at: secondsOrNull,
    metadata: z.record(z.string(), z.string()),
    usage: orNull(usageSchema),
    result: z.object({ choices: z.array(choiceSchema), usage: usageSchema }).nullable(),
    error: orNull(errorBodySchema),
    status_url: z.string(),
    events_url: z.string(),
    response_url: z.string(),
    cancel_url: z.string(),
  })
  .meta({ id: 'Job' });
export type JobResource = z.infer<typeof jobSchema>;

export const maxWaitSeconds = 60;

export const jobGetQuerySchema = z.strictObject({
  wait: z
    .string()
    .regex(/^([0-5]?[0-9](\.[0-9]{1,6})?|60)$/, `must be a number from 0 to ${maxWaitSeconds}`)
    .transform(Number)
    .optional()
    .meta({ description: `Seconds (at most ${maxWaitSeconds}) to wait for a change of state.` }),
});

export const jobEventsQuerySchema = z.strictObject({
  starting_after: queryInteger(0, maxQueryInteger)
    .optional()
    .meta({ description: 'Sequence number after which to begin; `Last-Event-ID` wins over it.' }),
});

export const jobListQuerySchema = z.strictObject({
  state: queryList(jobStates).optional().meta({ description: 'One or more states, separated by commas.' }),
  metadata: metadataSchema.optional().meta({
    description: 'As `metadata[key]=value`; all pairs must match.',
    param: { style: 'deepObject', explode: true },
  }),
  limit: queryInteger(1, 100).optional().meta({ description: 'Jobs per page. Default 20.' }),
  after: z.string().max(128).optional().meta({ description: 'Id of the last job of the page before.' }),
});

export const jobListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(jobSchema),
    has_more: z.boolean(),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
  })
  .meta({ id: 'JobList' });

export const jobCancelFilterSchema = z
  .strictObject({
    state: z
      .union([
        z.enum(['queued', 'in_progress']),
        z
          .array(z.enum(['queued', 'in_progress']))
          .min(1)
          .max(2),
      ])
      .optional(),
    metadata: metadataSchema.optional().meta({ description: 'All pairs must match.' }),
  })
  .refine((filter) => filter.state !== undefined || Object.keys(filter.metadata ?? {}).length > 0, {
    path: ['state'],
    error: 'give a state or metadata: an empty filter would cancel everything',
  })
  .meta({
    id: 'JobCancelFilter',
    example: { state: 'queued' },
    anyOf: [{ required: ['state'] }, { required: ['metadata'], properties: { metadata: { minProperties: 1 } } }],
  });

export const jobCancelAnswerSchema = z
  .object({
    object: z.literal('job.cancellation'),
    cancelled: z.array(z.string()).meta({ description: 'Ids of the jobs this request cancelled.' }),
    has_more: z.boolean().meta({ description: 'More jobs match: send the request again.' }),
  })
  .meta({ id: 'JobCancellation' });

const eventBase = { sequence_number: z.int(), job_id: z.string(), created_at: z.number() };

/** The `data:` of each server-sent event of `/v1/jobs/{id}/events`. */
export const jobEventSchema = z
  .union([
    z.object({ type: z.literal('job.queued'), ...eventBase }),
    z.object({ type: z.literal('job.started'), ...eventBase, attempt: z.int(), worker: z.string() }),
    z.object({
      type: z.literal('job.delta'),
      ...eventBase,
      index: z.int(),
      delta: z.string(),
      finish_reason: choiceSchema.shape.finish_reason,
      logprobs: choiceSchema.shape.logprobs.optional(),
    }),
    z.object({
      type: z.enum(['job.completed', 'job.failed', 'job.cancelled', 'job.expired', 'job.incomplete']),
      ...eventBase,
      job: jobSchema,
    }),
  ])
  .meta({ id: 'JobEvent' });

export const jobStreamSchema = eventStreamOf('JobEvent', 'An event of the job.');
