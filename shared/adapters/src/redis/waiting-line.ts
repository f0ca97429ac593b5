/**
 * Calls that wait until there is a connection: in order, so many and no more, each until its deadline. A call that gave up waiting was never
 * made.
 */
interface Waiting {
  admit(): void;
  refuse(error: Error): void;
}

export class WaitingLine {
  readonly #limit: number;
  readonly #waiting = new Set<Waiting>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Resolves when the line is admitted; rejects at once when it is full, else when the time is over. */
  join(timeoutMs: number): Promise<void> {
    if (this.#waiting.size >= this.#limit) return Promise.reject(new Error('Too many calls wait for a connection.'));
    return new Promise((resolve, reject) => {
      const leave = (act: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(waiting);
        act();
      };
      const waiting: Waiting = {
        admit: () => leave(resolve),
        refuse: (error) => leave(() => reject(error)),
      };
      const timer = setTimeout(() => waiting.refuse(new Error('There was no connection in time.')), timeoutMs);
      this.#waiting.add(waiting);
    });
  }

  admitAll(): void {
    for (const waiting of this.#waiting) waiting.admit();
  }

  refuseAll(error: Error): void {
    for (const waiting of this.#waiting) waiting.refuse(error);
  }
}
