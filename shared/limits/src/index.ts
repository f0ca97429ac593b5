export type { Reservation } from './limit-counters.ts';
export { LimitCounters } from './limit-counters.ts';
export { createMemoryRateLimiter } from './memory-rate-limiter.ts';
export type { ReadGate } from './read-gate.ts';
export { createReadGate } from './read-gate.ts';
export { counterOf, minuteKeptMs, reservationKeptMs, slotMs, slotsPerMinute } from './windows.ts';
export type { FallbackOptions } from './with-fallback.ts';
export { withFallback } from './with-fallback.ts';
