/**
 * What was prepared because somebody will ask for it within seconds, and is let go of if nobody does. One timer for all: each is kept equally
 * long, so they are over in the order in which they came, and many are let go of at once.
 */
import type { JobEvent } from '@inkwell/contracts';

const keptMs = 5_000;
/** Shortest time between two looks for what is over. */
const sweepMs = 500;

/** News of a job that is about to be accepted here. */
export interface Expected {
  /** To be put into the job's hash. */
  address: string;
  /** Says with which events its story began; undefined when the address isn't in its hash. */
  addressed(first: readonly JobEvent[] | undefined): void;
}

interface Kept {
  letGo: (() => void) | undefined;
  untilMs: number;
}

export class Expectations {
  /** Oldest first. */
  #kept: Kept[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param letGo called after a few seconds. Answers how to say that this isn't needed any more. */
  keep(letGo: () => void): () => void {
    const kept: Kept = { letGo, untilMs: performance.now() + keptMs };
    this.#kept.push(kept);
    this.#timer ??= setTimeout(() => this.#sweep(), keptMs).unref();
    return () => {
      kept.letGo = undefined;
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#kept = [];
  }

  #sweep(): void {
    const now = performance.now();
    const first = this.#kept.findIndex(({ untilMs }) => untilMs > now);
    const over = this.#kept.splice(0, first === -1 ? this.#kept.length : first);
    const next = this.#kept[0];
    this.#timer = next && setTimeout(() => this.#sweep(), Math.max(sweepMs, next.untilMs - now)).unref();
    for (const { letGo } of over) letGo?.();
  }
}
