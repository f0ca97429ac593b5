/** `/api/usage`: what was used, in buckets of time. */
import { z } from 'zod';
import { queryList, querySeconds } from './query.ts';
import { textOf } from './text.ts';

const groups = ['user', 'key', 'model', 'tenant'] as const;

export const usageQuerySchema = z.strictObject({
  start: querySeconds.optional().meta({ description: 'Unix seconds. Default: a day (hours) or 30 days (days) ago.' }),
  end: querySeconds.optional().meta({ description: 'Unix seconds, not included. Default: now.' }),
  bucket: z.enum(['hour', 'day']).default('day').meta({ description: 'Hours and days of UTC.' }),
  group_by: queryList(groups)
    .optional()
    .meta({ description: 'One or more of user, key, model and tenant, separated by commas.' }),
  tenant: textOf(1, 63).optional().meta({ description: 'For operators: another tenant, or `*` for all.' }),
});

const usageSumSchema = z.object({
  requests: z.int(),
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
});

const usageResultSchema = usageSumSchema
  .extend({
    tenant: z.string().nullable(),
    user_id: z.string().nullable(),
    key_id: z.string().nullable(),
    model: z.string().nullable(),
  })
  .meta({ id: 'UsageResult', description: 'Groups that were not asked for are null.' });

export const usageSchema = z
  .object({
    object: z.literal('usage'),
    bucket: z.enum(['hour', 'day']),
    start: z.number(),
    end: z.number(),
    data: z.array(
      z.object({
        object: z.literal('usage.bucket'),
        start: z.number().meta({ description: 'Unix seconds.' }),
        end: z.number(),
        results: z.array(usageResultSchema),
      }),
    ),
    total: usageSumSchema,
  })
  .meta({ id: 'UsageReport' });
