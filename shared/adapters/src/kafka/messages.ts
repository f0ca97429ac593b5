/** What stands in the topics: JSON with a version, validated when written and when read. Jobs and facts are contracts of their own. */
import { jobMessageSchema } from '@inkwell/contracts';
import { z } from 'zod';

/** A job to be delivered again. */
export const retryMessageSchema = z.strictObject({
  version: z.literal(1),
  message: jobMessageSchema,
  /** Number of the delivery this becomes. */
  attempt: z.int().positive(),
  /** Unix milliseconds. */
  dueAt: z.number(),
  reason: z.string(),
});

export const deadLetterSchema = z.strictObject({
  version: z.literal(1),
  message: jobMessageSchema,
  reason: z.string(),
  attempts: z.int().positive(),
  /** Unix milliseconds. */
  at: z.number(),
});

export const cancelMessageSchema = z.strictObject({ version: z.literal(1), key: jobMessageSchema.shape.key });

export type Decoded<Value> = { value: Value } | { unreadable: string };

const longestReason = 500;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws what a message that isn't valid is: a mistake of ours. */
export function encode<Schema extends z.ZodType>(schema: Schema, value: z.input<Schema>): string {
  return JSON.stringify(schema.parse(value));
}

export function decode<Schema extends z.ZodType>(schema: Schema, bytes: Buffer | null): Decoded<z.output<Schema>> {
  if (bytes === null) return { unreadable: 'There is no value.' };
  try {
    const parsed = schema.safeParse(JSON.parse(utf8.decode(bytes)));
    if (parsed.success) return { value: parsed.data };
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    return { unreadable: problems.join('; ').slice(0, longestReason) };
  } catch (error) {
    return { unreadable: (error instanceof Error ? error.message : String(error)).slice(0, longestReason) };
  }
}
