/**
 * How long one piece of work, as a rule a request, may wait for dependencies in all, however many calls it makes. Only time in which at least
 * one call is under way counts: reading a body or waiting for a job spends nothing. The budget follows the work through its awaits.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

const budgets = new AsyncLocalStorage<Budget>();

export class Budget {
  readonly #totalMs: number;
  #spentMs = 0;
  #calls = 0;
  #since = 0;

  constructor(totalMs: number) {
    this.#totalMs = totalMs;
  }

  get leftMs(): number {
    const underWayMs = this.#calls > 0 ? performance.now() - this.#since : 0;
    return this.#totalMs - this.#spentMs - underWayMs;
  }

  /** A call begins. */
  enter(): void {
    if (this.#calls === 0) this.#since = performance.now();
    this.#calls++;
  }

  /** A call is over. */
  leave(): void {
    this.#calls--;
    if (this.#calls === 0) this.#spentMs += performance.now() - this.#since;
  }
}

/** Runs the work with a budget of its own. */
export function withBudget<T>(totalMs: number, work: () => T): T {
  return budgets.run(new Budget(totalMs), work);
}

/** Runs work that nobody waits for, or that is done for many: it neither spends what is left of a budget nor ends with it. */
export function withoutBudget<T>(work: () => T): T {
  return budgets.exit(work);
}

/** The budget of the work that asks; undefined when it has none. */
export function currentBudget(): Budget | undefined {
  return budgets.getStore();
}
