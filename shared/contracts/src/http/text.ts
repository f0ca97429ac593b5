/** Text and small building blocks of the HTTP schemas. Lengths are counted in Unicode characters, as JSON Schema does, not in UTF-16 units. */
import { z } from 'zod';

/** Number of Unicode characters; stops counting one above `limit`, so that a huge text costs nothing. */
export function characterCount(text: string, limit: number): number {
  let count = 0;
  for (const _ of text) if (++count > limit) break;
  return count;
}

/** A text of `min` to `max` characters. That it is well-formed Unicode has been checked when the body was read. */
export function textOf(min: number, max: number) {
  return z
    .string()
    .refine((value) => value.length >= min && characterCount(value, max) <= max, {
      error: `must have ${min} to ${max} characters`,
    })
    .meta({ minLength: min, maxLength: max });
}

/** Seconds since 1970, fractions allowed. The upper bound, the year 9999, catches milliseconds sent by mistake. */
export const unixSeconds = z
  .number()
  .min(0)
  .max(253_402_300_799, { error: 'must be Unix time in seconds (is it in milliseconds?)' });

/** A named schema or null. Not `.nullable()`: the document generator would then write "or null" into the named schema itself. */
export function orNull<T extends z.ZodType>(schema: T) {
  return z.union([schema, z.null()]);
}
