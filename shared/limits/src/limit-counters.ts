/**
 * The counting itself, in memory and without waiting: what one process needs, and the plain form of what the shared counters do. Time is given with
 * every call and must not run backwards by more than a slot.
 */
import type { Limit, LimitUse, TakeRequest, TakeResult } from '@inkwell/ports';
import { counterOf, minuteKeptMs, oldestCounted, reservationKeptMs, slotLeavesAt, slotOf } from './windows.ts';

/** Taken within a minute, by slot; `used` is the sum. */
interface Minute {
  used: number;
  slots: Map<number, number>;
}

export interface Budget {
  used: number;
  /** Unix milliseconds. */
  endsAt: number;
}

export interface Reservation {
  tokens: number;
  /** Where the tokens were taken; `slot` is null in budgets. */
  places: { counter: string; slot: number | null }[];
  expiresAt: number;
}

export class LimitCounters {
  readonly #minutes = new Map<string, Minute>();
  /** By counter name. */
  readonly budgets = new Map<string, Budget>();
  /** By id. */
  readonly reservations = new Map<string, Reservation>();
  #cleanAt = 0;

  take({ id, limits, tokens }: TakeRequest, now: number): TakeResult {
    this.#clean(now);
    const costs = limits.map(({ unit }) => (unit === 'requests' ? 1 : tokens));
    if (this.reservations.has(id)) return { outcome: 'held', uses: this.usage(limits, now) };
    let worst: { by: Limit; retryAt: number | null } | undefined;
    for (const [index, limit] of limits.entries()) {
      const retryAt = this.#fitsAt(limit, costs[index]!, now);
      if (retryAt === 'now' || worst?.retryAt === null) continue;
      if (worst === undefined || retryAt === null || retryAt > worst.retryAt!) worst = { by: limit, retryAt };
    }
    if (worst !== undefined) return { outcome: 'refused', uses: this.usage(limits, now), ...worst };
    for (const [index, limit] of limits.entries()) this.#add(limit, costs[index]!, now);
    this.#reserve(id, limits, tokens, now);
    return { outcome: 'granted', uses: this.usage(limits, now) };
  }

  /** The settled reservation, or undefined when there is none. */
  settle(id: string, tokens: number): Reservation | undefined {
    const reservation = this.reservations.get(id);
    if (reservation === undefined) return undefined;
    this.reservations.delete(id);
    for (const { counter, slot } of reservation.places) {
      const difference = tokens - reservation.tokens;
      if (slot === null) {
        const budget = this.budgets.get(counter);
        if (budget !== undefined) budget.used = Math.max(0, budget.used + difference);
      } else correctSlot(this.#minutes.get(counter), slot, difference);
    }
    return reservation;
  }

  usage(limits: readonly Limit[], now: number): LimitUse[] {
    return limits.map((limit) => {
      const { name, endsAt } = counterOf(limit, now);
      if (endsAt !== null) {
        const used = this.budgets.get(name)?.used ?? 0;
        return { limit, used, returnsAt: used === 0 ? null : endsAt };
      }
      const minute = this.#minute(name, now);
      const used = minute?.used ?? 0;
      const first = minute?.slots.keys().next().value;
      return { limit, used, returnsAt: used === 0 || first === undefined ? null : slotLeavesAt(first) };
    });
  }

  /** The names of the counters that were set to zero. */
  reset(limits: readonly Limit[], now: number): string[] {
    const names = limits.map((limit) => counterOf(limit, now).name);
    for (const name of names) {
      this.#minutes.delete(name);
      this.budgets.delete(name);
    }
    return names;
  }

  /** When the cost fits: now, at a moment to come, or (null) never. */
  #fitsAt(limit: Limit, cost: number, now: number): 'now' | number | null {
    if (cost > limit.amount) return null;
    const { name, endsAt } = counterOf(limit, now);
    if (endsAt !== null) return (this.budgets.get(name)?.used ?? 0) + cost <= limit.amount ? 'now' : endsAt;
    const minute = this.#minute(name, now);
    let used = minute?.used ?? 0;
    if (used + cost <= limit.amount) return 'now';
    for (const [slot, taken] of minute!.slots) {
      used -= taken;
      if (used + cost <= limit.amount) return slotLeavesAt(slot);
    }
    return slotLeavesAt(slotOf(now));
  }

  #add(limit: Limit, cost: number, now: number): void {
    const { name, endsAt } = counterOf(limit, now);
    if (endsAt !== null) {
      const budget = this.budgets.get(name);
      if (budget === undefined) this.budgets.set(name, { used: cost, endsAt });
      else budget.used += cost;
      return;
    }
    let minute = this.#minutes.get(name);
    if (minute === undefined) {
      minute = { used: 0, slots: new Map() };
      this.#minutes.set(name, minute);
    }
    const slot = slotOf(now);
    minute.used += cost;
    minute.slots.set(slot, (minute.slots.get(slot) ?? 0) + cost);
  }

  #reserve(id: string, limits: readonly Limit[], tokens: number, now: number): void {
    const places: Reservation['places'] = [];
    let expiresAt = now + reservationKeptMs;
    for (const limit of limits) {
      if (limit.unit !== 'tokens') continue;
      const { name, endsAt } = counterOf(limit, now);
      places.push({ counter: name, slot: endsAt === null ? slotOf(now) : null });
      expiresAt = Math.max(expiresAt, endsAt ?? 0);
    }
    if (places.length > 0) this.reservations.set(id, { tokens, places, expiresAt });
  }

  /** The minute's counter without what has left its window. Slots are in order, since time is. */
  #minute(name: string, now: number): Minute | undefined {
    const minute = this.#minutes.get(name);
    if (minute === undefined) return undefined;
    const oldest = oldestCounted(slotOf(now));
    for (const [slot, taken] of minute.slots) {
      if (slot >= oldest) break;
      minute.slots.delete(slot);
      minute.used -= taken;
    }
    return minute;
  }

  /** Forgets what doesn't count any more, once a minute. */
  #clean(now: number): void {
    if (now < this.#cleanAt) return;
    this.#cleanAt = now + minuteKeptMs;
    for (const name of this.#minutes.keys()) {
      if (this.#minute(name, now)?.slots.size === 0) this.#minutes.delete(name);
    }
    for (const [name, { endsAt }] of this.budgets) if (endsAt <= now) this.budgets.delete(name);
    for (const [id, { expiresAt }] of this.reservations) if (expiresAt <= now) this.reservations.delete(id);
  }
}

function correctSlot(minute: Minute | undefined, slot: number, difference: number): void {
  const taken = minute?.slots.get(slot);
  if (minute === undefined || taken === undefined) return;
  const corrected = Math.max(0, taken + difference);
  minute.slots.set(slot, corrected);
  minute.used += corrected - taken;
}
