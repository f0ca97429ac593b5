/**
 * A bounded memory of what a store answered, so that the way of a request asks no store. An entry lives for a short time, the least recently
 * used go first, and what carries a tag is dropped at once when that tag is. What was being read when its tag was dropped is not kept.
 */
import type { Clock } from '@inkwell/ports';

export interface ReadThroughOptions<Value> {
  clock: Clock;
  ttlMs: number;
  maxEntries: number;
  load(name: string): Promise<Value | undefined>;
  tagsOf(value: Value): readonly string[];
}

interface Entry<Value> {
  value: Value;
  readAt: number;
}

export class ReadThrough<Value> {
  readonly #options: ReadThroughOptions<Value>;
  /** Least recently used first: a hit moves to the end. */
  readonly #entries = new Map<string, Entry<Value>>();
  readonly #loading = new Map<string, Promise<Value | undefined>>();
  /** Grows with every drop. */
  #drops = 0;

  constructor(options: ReadThroughOptions<Value>) {
    this.#options = options;
  }

  /** Absence is not remembered: what is made elsewhere is found at once. */
  async get(name: string): Promise<Value | undefined> {
    const { clock, ttlMs } = this.#options;
    const entry = this.#entries.get(name);
    if (entry && clock.now() - entry.readAt < ttlMs) {
      this.#entries.delete(name);
      this.#entries.set(name, entry);
      return entry.value;
    }
    const loading = this.#loading.get(name) ?? this.#load(name);
    return loading;
  }

  drop(tag: string): void {
    this.#drops += 1;
    this.#loading.clear();
    for (const [name, { value }] of this.#entries) {
      if (this.#options.tagsOf(value).includes(tag)) this.#entries.delete(name);
    }
  }

  dropAll(): void {
    this.#drops += 1;
    this.#loading.clear();
    this.#entries.clear();
  }

  #load(name: string): Promise<Value | undefined> {
    const dropsBefore = this.#drops;
    const readAt = this.#options.clock.now();
    const loading = this.#options.load(name).then((value) => {
      if (value !== undefined && this.#drops === dropsBefore) this.#keep(name, { value, readAt });
      return value;
    });
    this.#loading.set(name, loading);
    const done = () => {
      if (this.#loading.get(name) === loading) this.#loading.delete(name);
    };
    loading.then(done, done);
    return loading;
  }

  #keep(name: string, entry: Entry<Value>): void {
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#options.maxEntries) break;
      this.#entries.delete(oldest);
    }
  }
}
