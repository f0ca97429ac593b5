/** What documents say of the times (Unix ms) of what they hold, and how they are found by them. */
export interface Span {
  earliest: number;
  latest: number;
}

/** @param times at least one */
export function spanOf(times: readonly number[]): Span {
  return { earliest: Math.min(...times), latest: Math.max(...times) };
}

/** Documents that may hold something from `from` on and before `before`. */
export function spanWithin(from: number | undefined, before: number | undefined): Record<string, object> {
  return {
    ...(from === undefined ? {} : { latest: { $gte: from } }),
    ...(before === undefined ? {} : { earliest: { $lt: before } }),
  };
}
