/**
 * How time is divided for counting. A minute is 21 slots of three seconds, the current one included: a grant counts from its slot's number on for
 * 20 slots more, so at least 60 and less than 63 seconds. Days and months are the calendar's, in UTC.
 */
import type { Limit, LimitWindow } from '@inkwell/ports';

export const slotMs = 3_000;
/** Whole slots that make a minute. */
export const slotsPerMinute = 20;
/** After this long nothing of a minute counts any more. */
export const minuteKeptMs = (slotsPerMinute + 1) * slotMs;
/** How long a reservation waits for its settlement if no budget keeps it longer. */
export const reservationKeptMs = 2 * 86_400_000;

export function slotOf(nowMs: number): number {
  return Math.floor(nowMs / slotMs);
}

/** The oldest slot that counts while `slot` is the current one. */
export function oldestCounted(slot: number): number {
  return slot - slotsPerMinute;
}

/** Unix milliseconds from which what was taken in `slot` doesn't count any more. */
export function slotLeavesAt(slot: number): number {
  return (slot + slotsPerMinute + 1) * slotMs;
}

/** The day or month of a moment and the moment after its end. */
function periodOf(window: Exclude<LimitWindow, 'minute'>, nowMs: number): { name: string; endsAt: number } {
  const date = new Date(nowMs);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  if (window === 'day') {
    return { name: date.toISOString().slice(0, 10), endsAt: Date.UTC(year, month, date.getUTCDate() + 1) };
  }
  return { name: date.toISOString().slice(0, 7), endsAt: Date.UTC(year, month + 1) };
}

/** What a limit is counted under now: its name, and for budgets the period. */
export function counterOf(limit: Limit, nowMs: number): { name: string; endsAt: number | null } {
  if (limit.window === 'minute') return { name: limit.name, endsAt: null };
  const { name, endsAt } = periodOf(limit.window, nowMs);
  return { name: `${limit.name}@${name}`, endsAt };
}
