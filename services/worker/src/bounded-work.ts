/** Works a list off, a bounded number of items at a time, in the order in which they came. */
export class BoundedWork<T> {
  readonly #atOnce: number;
  readonly #work: (item: T) => Promise<void>;
  readonly #waiting: T[] = [];
  #running = 0;

  /** @param work must not reject */
  constructor(atOnce: number, work: (item: T) => Promise<void>) {
    this.#atOnce = atOnce;
    this.#work = work;
  }

  add(item: T): void {
    this.#waiting.push(item);
    this.#next();
  }

  /** Forgets what has not begun. */
  clear(): void {
    this.#waiting.length = 0;
  }

  #next(): void {
    while (this.#running < this.#atOnce && this.#waiting.length > 0) {
      const item = this.#waiting.shift()!;
      this.#running++;
      void this.#work(item).finally(() => {
        this.#running--;
        this.#next();
      });
    }
  }
}
