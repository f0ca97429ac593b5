/**
 * RateLimiter of the embedded edition: this process counts in memory, since it alone owns the store. Budgets and the reservations in them are
 * written too, in the tick of the taking and without waiting for the disk: they become durable in the same commit as the job that is made next, or are
 * lost with it. What was taken within the last minute is forgotten by a restart.
 */
import { LimitCounters, type Reservation } from '@inkwell/limits';
import type { Clock, RateLimiter } from '@inkwell/ports';
import type { Database, StoreLog } from './database.ts';
import type { BudgetRow, ReservationRow } from './operations/limits.ts';

export function createRateLimiter(database: Database, clock: Clock, log: StoreLog | undefined): RateLimiter {
  const counters = load(database);

  function save(input: { counters: string[]; reserved?: ReservationRow; settled?: string }): void {
    const budgets = input.counters.map((counter): BudgetRow => {
      const { used, endsAt } = counters.budgets.get(counter) ?? { used: 0, endsAt: 0 };
      return { counter, used, ends_at: endsAt };
    });
    const { reserved, settled } = input;
    database.write('saveBudgets', { budgets, reserved, settled }).catch((error: unknown) => {
      if (!database.closed.aborted) log?.error({ err: error }, 'token budgets could not be written');
    });
  }

  return {
    async take(request) {
      const result = counters.take(request, clock.now());
      const reservation = counters.reservations.get(request.id);
      if (result.outcome === 'granted' && reservation !== undefined) {
        const budgets = budgetsOf(reservation);
        const reserved = { id: request.id, body: JSON.stringify(reservation), expires_at: reservation.expiresAt };
        if (budgets.length > 0) save({ counters: budgets, reserved });
      }
      return result;
    },

    async settle(id, tokens) {
      const reservation = counters.settle(id, tokens);
      if (reservation === undefined) return false;
      const budgets = budgetsOf(reservation);
      if (budgets.length > 0) save({ counters: budgets, settled: id });
      return true;
    },

    usage: async (limits) => counters.usage(limits, clock.now()),

    async reset(limits) {
      const names = counters.reset(limits, clock.now());
      if (names.length > 0) save({ counters: names });
    },
  };
}

function budgetsOf({ places }: Reservation): string[] {
  return places.filter(({ slot }) => slot === null).map(({ counter }) => counter);
}

function load(database: Database): LimitCounters {
  const counters = new LimitCounters();
  const budgets = database.read((connection) => connection.all<BudgetRow>('SELECT * FROM limit_budgets'));
  const reservations = database.read((connection) =>
    connection.all<ReservationRow>('SELECT * FROM limit_reservations'),
  );
  for (const { counter, used, ends_at } of budgets) counters.budgets.set(counter, { used, endsAt: ends_at });
  for (const { id, body } of reservations) counters.reservations.set(id, JSON.parse(body) as Reservation);
  return counters;
}
