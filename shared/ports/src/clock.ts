/** Time as the core sees it, so that leases, deadlines and retention can be tested without waiting. */
export interface Clock {
  /** Unix milliseconds, fractions included where the machine has them. */
  now(): number;
}

/** Furthest the fine clock may be from the wall clock before it is set anew, in milliseconds. */
const toleranceMs = 2;

/**
 * The wall clock with the fraction of a millisecond that `Date.now` cuts off, so that latencies under a millisecond can be read off event
 * times. Follows the wall clock when that is set or the machine was asleep.
 */
function createSystemClock(): Clock {
  let origin = performance.timeOrigin;
  return {
    now() {
      const wall = Date.now();
      const fine = origin + performance.now();
      if (Math.abs(fine - wall) <= toleranceMs) return fine;
      origin = wall - performance.now();
      return wall;
    },
  };
}

export const systemClock: Clock = createSystemClock();
