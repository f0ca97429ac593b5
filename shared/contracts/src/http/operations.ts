/** `/api/admin`: queues, dead letters and limits, for operators. */
import { z } from 'zod';
import { priorities } from '../job.ts';
import { jobSchema } from './job.ts';
import { queryInteger } from './query.ts';
import { orNull } from './text.ts';

export const queueListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z
        .object({
          object: z.literal('queue'),
          priority: z.enum(priorities),
          queued: z.int().meta({ description: 'Jobs that wait.' }),
          departed: z.int().meta({ description: 'Jobs that ever left it, to run or to end.' }),
        })
        .meta({ id: 'Queue' }),
    ),
    queued: z.int().meta({ description: 'Jobs that wait, in all.' }),
    in_progress: z.int(),
    oldest_queued_at: z.number().nullable().meta({ description: 'Unix seconds; null when nothing waits.' }),
    oldest_age_seconds: z.number().nullable(),
  })
  .meta({ id: 'QueueList' });

/** The job's key in base64url: tenant and id in a form that needs no escaping. */
export const deadLetterIdSchema = z
  .string()
  .regex(/^dl_[A-Za-z0-9_-]{4,400}$/, 'must be the id of a dead letter, dl_…');

const deadLetterSchema = z
  .object({
    id: z.string(),
    object: z.literal('dead_letter'),
    tenant: z.string(),
    job_id: z.string(),
    model: z.string(),
    priority: z.enum(priorities),
    reason: z.string(),
    attempts: z.int(),
    created_at: z.number().meta({ description: 'When the job was made, Unix seconds.' }),
    dead_at: z.number().meta({ description: 'When it was given up.' }),
  })
  .meta({ id: 'DeadLetter' });

/** How many of the newest can be reached. */
export const reachableDeadLetters = 1_000;

export const deadLetterListQuerySchema = z.strictObject({
  limit: queryInteger(1, 100).optional().meta({ description: 'Letters per page. Default 20.' }),
  after: deadLetterIdSchema.optional().meta({ description: 'The last id of the page before.' }),
});

export const deadLetterListSchema = z
  .object({ object: z.literal('list'), data: z.array(deadLetterSchema), has_more: z.boolean() })
  .meta({ id: 'DeadLetterList' });

export const deadLetterDetailSchema = deadLetterSchema
  .extend({
    job: orNull(jobSchema.omit({ result: true, metadata: true })).meta({
      description:
        'The job as its record stands, without what its owner wrote or got; null when that is no longer kept.',
    }),
  })
  .meta({ id: 'DeadLetterDetail' });

export const requeuedSchema = z
  .object({
    object: z.literal('dead_letter.requeued'),
    id: z.string(),
    tenant: z.string(),
    job_id: z.string().meta({ description: 'Of the new job that does the same. Asked again it is the same job.' }),
  })
  .meta({ id: 'RequeuedDeadLetter' });

const rate = z.int().nullable().meta({ description: 'null: not limited.' });

const ratesSchema = z.object({
  requests_per_minute: rate,
  tokens_per_minute: rate,
  tokens_per_day: rate,
  tokens_per_month: rate,
});

export const limitsSchema = z
  .object({
    object: z.literal('limits'),
    address: z.object({ requests_per_minute: rate }),
    user: ratesSchema.meta({ description: 'Of a person without limits of their own.' }),
    key: ratesSchema.meta({ description: 'Of a key without limits of its own.' }),
    reads_per_minute: rate,
    queue: z.object({ max_queued: z.int(), max_queued_per_tenant: z.int() }),
    roles: z.record(z.string(), z.object({ max_tokens: z.int(), priorities: z.array(z.enum(priorities)) })).meta({
      description: 'What each role may ask for.',
    }),
  })
  .meta({ id: 'Limits' });
