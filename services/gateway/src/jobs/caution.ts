/**
 * Whether the store lately refused a job for lack of room. Record and first event are written at once; beside a refused record that would
 * leave the event of a job that never was, so for a while after a refusal the event waits for the record.
 */
import type { Clock } from '@inkwell/ports';

const lastsMs = 10_000;

export class Caution {
  readonly #clock: Clock;
  #until = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  raise(): void {
    this.#until = this.#clock.now() + lastsMs;
  }

  get raised(): boolean {
    return this.#clock.now() < this.#until;
  }
}
