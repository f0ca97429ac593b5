/**
 * A fact: something that happened, told once and never changed. Its body is read by the projection that knows its kind; the envelope is all
 * that a log needs.
 */
import { z } from 'zod';

export const factSchema = z.strictObject({
  version: z.literal(1),
  /** Unique; a projection that has seen it ignores it. */
  id: z.string().min(1).max(512),
  /** What kind of fact: `job.ended`, `audit`. */
  kind: z.string().regex(/^[a-z][a-z.-]{0,63}$/),
  /** Facts of one subject stay in order. */
  subject: z.string().min(1).max(512),
  /** Unix milliseconds. */
  at: z.number(),
  body: z.record(z.string(), z.unknown()),
});

export type Fact = z.infer<typeof factSchema>;
