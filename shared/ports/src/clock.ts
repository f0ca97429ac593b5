/** Time as the core sees it, so that leases, deadlines and retention can be tested without waiting. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
