/** A condition on a time (Unix ms), or none when neither end is given. */
export function timeRange(field: string, from: number | undefined, before: number | undefined): Record<string, object> {
  const range = { ...(from === undefined ? {} : { $gte: from }), ...(before === undefined ? {} : { $lt: before }) };
  return from === undefined && before === undefined ? {} : { [field]: range };
}
