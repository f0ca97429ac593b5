/** Values of a query string, which all come as text: read strictly, described to clients as what they stand for. */
import { z } from 'zod';
import { unixSeconds } from './text.ts';

/** A whole number in decimal digits, so that neither `1e3` nor an empty text counts as one. */
export function queryInteger(min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, { error })
    .transform(Number)
    .pipe(z.int().min(min, { error }).max(max, { error }))
    .meta({ type: 'integer', minimum: min, maximum: max, pattern: undefined });
}

/** Sequence numbers and the like: the most that fifteen digits can say. */
export const maxQueryInteger = 999_999_999_999_999;

/** Unix seconds, as decimal digits. */
export const querySeconds = z
  .string()
  .regex(/^[0-9]{1,11}(\.[0-9]{1,6})?$/, 'must be Unix seconds')
  .transform(Number)
  .pipe(unixSeconds);

/** One or more of the values, separated by commas. */
export function queryList<const T extends readonly [string, ...string[]]>(values: T) {
  const error = `must be one or more of ${values.join(', ')}, separated by commas`;
  return z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(values, { error })))
    .meta({
      type: 'array',
      minItems: 1,
      items: { type: 'string', enum: [...values] },
      param: { style: 'form', explode: false },
    });
}
