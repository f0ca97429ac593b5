/**
 * What travels over the bus for a job: a small header, enough to choose what runs next without reading the job itself. The record and its
 * prompt stay in the job store.
 */
import { z } from 'zod';
import { type JobKey, type NewJob, priorities } from './job.ts';

export const jobMessageSchema = z.strictObject({
  version: z.literal(1),
  key: z
    .string()
    .min(3)
    .transform((value) => value as JobKey),
  tenant: z.string().min(1),
  model: z.string().min(1),
  priority: z.enum(priorities),
  /** Tokens the job may take; what deficit round-robin counts. */
  costTokens: z.int().positive(),
  /** Sequences it runs at the same time. Older versions say neither this nor the next. */
  sequences: z.int().positive().optional(),
  /** Tokens these begin with, all together. */
  promptTokens: z.int().nonnegative().optional(),
  /** Unix milliseconds. */
  createdAt: z.number(),
  deadlineAt: z.number().nullable(),
});

export type JobMessage = z.infer<typeof jobMessageSchema>;

/** How many sequences a job runs at the same time. */
export function sequencesOf({ prompts, bestOf }: NewJob['spec']): number {
  return prompts.length * bestOf;
}

/** The header of a job, made from its record alone, so that publishing it again says the same. */
export function toJobMessage(record: NewJob): JobMessage {
  const { key, tenant, priority, costTokens, createdAt, deadlineAt, spec } = record;
  const { model, prompts, bestOf } = spec;
  const sequences = sequencesOf(spec);
  const promptTokens = bestOf * prompts.reduce((sum, prompt) => sum + prompt.length, 0);
  return { version: 1, key, tenant, model, priority, costTokens, sequences, promptTokens, createdAt, deadlineAt };
}
