/**
 * A fact: something that happened, told once and never changed. Its body is read by the projection that knows its kind; the envelope is all
 * that a log needs.
 */
import { z } from 'zod';

/** Its fields are for who reads the kind. Asked once of every fact that is written and read, where a schema for records would go through them all. */
const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);

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
  body: z.custom<Record<string, unknown>>(isObject),
});

export type Fact = z.infer<typeof factSchema>;
