/**
 * Answers of deterministic requests, to be given again without running anything. Only on request, only within the tenant that first asked, only for
 * requests whose text is a pure function of themselves: greedy ones, and those that name their seed. Kept in this process, bounded in bytes and
 * time, the least recently used go first; forgetting costs nothing but a run.
 */
import type { Clock } from '@inkwell/ports';

export interface CachedAnswer {
  /** The answer's JSON. */
  body: string;
  /** The job that drew it. */
  jobId: string;
}

/** How long an answer is kept. */
const lastsMs = 3_600_000;

interface Entry extends CachedAnswer {
  expiresAt: number;
}

/** One answer may take this share of the room at most. */
const largestShare = 1 / 16;

function sizeOf(key: string, { body }: CachedAnswer): number {
  return 2 * (key.length + body.length);
}

export class ResponseCache {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  /** @param maxBytes 0 keeps nothing */
  constructor(clock: Clock, maxBytes: number) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  get(key: string): CachedAnswer | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#remove(key, entry);
    if (entry.expiresAt <= this.#clock.now()) return undefined;
    this.#add(key, entry);
    return entry;
  }

  put(key: string, answer: CachedAnswer): void {
    const known = this.#entries.get(key);
    if (known !== undefined) this.#remove(key, known);
    if (sizeOf(key, answer) > this.#maxBytes * largestShare) return;
    this.#add(key, { ...answer, expiresAt: this.#clock.now() + lastsMs });
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#remove(oldest, entry);
    }
  }

  get sizeBytes(): number {
    return this.#bytes;
  }

  #add(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    this.#bytes += sizeOf(key, entry);
  }

  #remove(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= sizeOf(key, entry);
  }
}
