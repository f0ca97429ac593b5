/** Writes to token budgets and the reservations in them. Memory decides, so a budget's number is set, not added to. */
import type { Connection } from '../connection.ts';

export interface BudgetRow {
  counter: string;
  used: number;
  ends_at: number;
}

export interface ReservationRow {
  id: string;
  /** The reservation as JSON. */
  body: string;
  expires_at: number;
}

interface SaveInput {
  budgets: readonly BudgetRow[];
  reserved?: ReservationRow;
  /** Id of a reservation that is over. */
  settled?: string;
}

function saveBudgets(connection: Connection, { budgets, reserved, settled }: SaveInput): void {
  for (const { counter, used, ends_at } of budgets) {
    if (used === 0) connection.run('DELETE FROM limit_budgets WHERE counter = ?', counter);
    else connection.run('INSERT OR REPLACE INTO limit_budgets VALUES (?, ?, ?)', counter, used, ends_at);
  }
  if (reserved !== undefined) {
    const { id, body, expires_at } = reserved;
    connection.run('INSERT OR REPLACE INTO limit_reservations VALUES (?, ?, ?)', id, body, expires_at);
  }
  if (settled !== undefined) connection.run('DELETE FROM limit_reservations WHERE id = ?', settled);
}

function forgetBudgetsBefore(connection: Connection, { now }: { now: number }): void {
  connection.run('DELETE FROM limit_budgets WHERE ends_at <= ?', now);
  connection.run('DELETE FROM limit_reservations WHERE expires_at <= ?', now);
}

export const limitOperations = { saveBudgets, forgetBudgetsBefore };
