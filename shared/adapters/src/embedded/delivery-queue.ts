/**
 * What the bus knows in memory of each message that waits: who has it, or when it is due again. Holds no promise of its own; `job-bus.ts`
 * makes every step durable first. One timer serves all delayed messages.
 */
import type { JobKey, JobMessage } from '@inkwell/contracts';
import type { ConsumeOptions } from '@inkwell/ports';

export interface Entry {
  readonly message: JobMessage;
  /** Deliveries counted in the database. */
  attempts: number;
  /** `attempts` already includes the delivery that comes next. */
  counted: boolean;
  /** Waiting for a consumer; being counted; handed out; being acknowledged or dead-lettered. */
  state: 'waiting' | 'counting' | 'held' | 'settling';
  holder: ConsumeOptions | undefined;
  /** Monotonic milliseconds before which it isn't delivered again. */
  dueAt: number;
}

const longestTimerMs = 2 ** 31 - 1;

export class DeliveryQueue {
  readonly #entries = new Map<JobKey, Entry>();
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #timerDueAt = Number.POSITIVE_INFINITY;

  /** `onDue` is called when a delayed message may be delivered again. */
  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  add(message: JobMessage, attempts: number, counted: boolean): Entry {
    const entry: Entry = { message, attempts, counted, state: 'waiting', holder: undefined, dueAt: 0 };
    this.#entries.set(message.key, entry);
    return entry;
  }

  /** Forgets it, unless the key was published anew meanwhile. */
  remove(entry: Entry): void {
    if (this.#entries.get(entry.message.key) === entry) this.#entries.delete(entry.message.key);
  }

  /** Waits again, for a delivery that isn't counted yet. */
  putBack(entry: Entry, delayMs: number): void {
    Object.assign(entry, { state: 'waiting', holder: undefined, counted: false, dueAt: performance.now() + delayMs });
    this.#arm(entry.dueAt);
  }

  /** Takes back everything a consumer has. */
  takeBack(holder: ConsumeOptions): void {
    for (const entry of this.#entries.values()) {
      if (entry.holder === holder && entry.state === 'held') this.putBack(entry, 0);
    }
  }

  /** Messages that wait and are due. Sees to it that `onDue` is called for the others. */
  due(): Entry[] {
    const now = performance.now();
    const found: Entry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.state !== 'waiting') continue;
      if (entry.dueAt <= now) found.push(entry);
      else this.#arm(entry.dueAt);
    }
    return found;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timerDueAt = Number.NEGATIVE_INFINITY;
  }

  #arm(dueAt: number): void {
    if (dueAt >= this.#timerDueAt) return;
    clearTimeout(this.#timer);
    this.#timerDueAt = dueAt;
    const delayMs = Math.max(0, Math.ceil(dueAt - performance.now()));
    this.#timer = setTimeout(() => this.#fire(), Math.min(delayMs, longestTimerMs));
  }

  #fire(): void {
    this.#timerDueAt = Number.POSITIVE_INFINITY;
    this.#onDue();
  }
}
