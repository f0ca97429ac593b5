/** `/api/admin/workers`: the workers that live, and asking one to drain or to work again. */
import { z } from 'zod';

export const workerIdSchema = z.string().regex(/^[\w.-]{1,100}$/, { error: 'must be a worker id' });

export const workerSchema = z
  .object({
    id: z.string(),
    object: z.literal('worker'),
    status: z
      .enum(['loading', 'ready', 'draining', 'drained'])
      .meta({ description: 'draining: finishes what runs; drained: does nothing.' }),
    host: z.string(),
    pid: z.int(),
    model: z.string(),
    engine: z.string().nullable().meta({ description: 'Backend and device; null while the model loads.' }),
    started_at: z.number(),
    seen_at: z.number().meta({ description: 'Its last sign of life.' }),
    running_jobs: z.int(),
    queued_jobs: z.int().meta({ description: 'Jobs that wait for this worker.' }),
    tokens_per_second: z.number(),
    jobs_per_second: z.number(),
  })
  .meta({ id: 'Worker' });

export const workerListSchema = z
  .object({ object: z.literal('list'), data: z.array(workerSchema) })
  .meta({ id: 'WorkerList' });

export type WorkerResource = z.infer<typeof workerSchema>;
