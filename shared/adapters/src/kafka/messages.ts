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
  const parsed = parse(bytes);
  return 'unreadable' in parsed ? parsed : check(schema, parsed.value);
}

/** One value, or a list of them, each read by itself. What cannot be read comes with its bytes. */
export function decodeAll<Schema extends z.ZodType>(
  schema: Schema,
  bytes: Buffer | null,
): ({ value: z.output<Schema> } | { unreadable: string; bytes: Buffer | null })[] {
  const parsed = parse(bytes);
  if ('unreadable' in parsed) return [{ ...parsed, bytes }];
  const items: unknown[] = Array.isArray(parsed.value) ? parsed.value : [parsed.value];
  return items.map((item) => {
    const decoded = check(schema, item);
    return 'value' in decoded ? decoded : { ...decoded, bytes: Buffer.from(JSON.stringify(item)) };
  });
}

function parse(bytes: Buffer | null): Decoded<unknown> {
  if (bytes === null) return { unreadable: 'There is no value.' };
  try {
    return { value: JSON.parse(utf8.decode(bytes)) };
  } catch (error) {
    return { unreadable: (error instanceof Error ? error.message : String(error)).slice(0, longestReason) };
  }
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): Decoded<z.output<Schema>> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { value: parsed.data };
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  return { unreadable: problems.join('; ').slice(0, longestReason) };
}
