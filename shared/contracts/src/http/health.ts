/** Probes and the version. */
import { z } from 'zod';

export const probeSchema = z
  .object({
    status: z.enum(['ok', 'unavailable']),
    down: z.array(z.string()).optional().meta({ description: 'What is missing, by name.' }),
  })
  .meta({ id: 'Probe' });

export type Probe = z.infer<typeof probeSchema>;

export const healthStatusSchema = z
  .object({
    status: z.enum(['ok', 'unavailable']),
    version: z.string(),
    uptime_seconds: z.number(),
    queued: z.record(z.string(), z.int()).meta({ description: 'Jobs waiting, by priority.' }),
    in_progress: z.int(),
    inference: z.object({
      status: z.enum(['ok', 'unavailable']),
      model: z.string(),
      job_id: z.string(),
      duration_seconds: z.number().meta({ description: 'From acceptance to the last event.' }),
      error: z.string().nullable(),
    }),
  })
  .meta({ id: 'HealthStatus' });

export const versionSchema = z
  .object({ name: z.literal('inkwell'), version: z.string(), node: z.string() })
  .meta({ id: 'Version' });
