/**
 * Calls back at the deadline of each of many jobs with one timer: a binary heap by time; removed jobs stay in it until they come up. It tells
 * that a deadline has passed and knows nothing of what the job is doing.
 */
import type { Clock } from '@inkwell/ports';

interface Entry<K> {
  readonly key: K;
  readonly at: number;
}

/** A wall clock may be set forward, and a timer cannot be longer than 2^31 ms: so it is looked at now and then. */
const longestWaitMs = 60_000;

export class DeadlineTimers<K> {
  readonly #clock: Clock;
  readonly #onDue: (key: K) => void;
  readonly #heap: Entry<K>[] = [];
  readonly #live = new Map<K, Entry<K>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock, onDue: (key: K) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#live.size;
  }

  /** @param at Unix milliseconds; replaces what was set for the key */
  set(key: K, at: number): void {
    const entry = { key, at };
    this.#live.set(key, entry);
    this.#push(entry);
    if (this.#heap[0] === entry) this.#arm();
  }

  delete(key: K): void {
    this.#live.delete(key);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#live.clear();
    this.#heap.length = 0;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const next = this.#heap[0];
    if (next === undefined) return;
    const waitMs = Math.min(longestWaitMs, Math.max(0, next.at - this.#clock.now()));
    this.#timer = setTimeout(() => this.#fire(), waitMs);
  }

  #fire(): void {
    const now = this.#clock.now();
    for (let first = this.#heap[0]; first !== undefined && this.#isOver(first, now); first = this.#heap[0]) {
      this.#pop();
      if (this.#live.get(first.key) !== first) continue;
      this.#live.delete(first.key);
      this.#onDue(first.key);
    }
    this.#arm();
  }

  /** Due, or deleted meanwhile. */
  #isOver(entry: Entry<K>, now: number): boolean {
    return entry.at <= now || this.#live.get(entry.key) !== entry;
  }

  #push(entry: Entry<K>): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.at <= entry.at) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= last.at) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
