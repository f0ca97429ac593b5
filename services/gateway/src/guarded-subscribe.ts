/** What guarded-follow.ts does for one follower, for the many who subscribe: one watch over the breaker for all of them. */
import type { JobEvent } from '@inkwell/contracts';
import type { ResultStream, StoryReader, StorySubscription } from '@inkwell/ports';
import type { Breaker } from '@inkwell/resilience';
import { stayedAway, toPublic } from './guarded-follow.ts';

/** @param graceMs how long an outage is borne, from the last call that was answered */
export function guardedSubscribe(
  subscribe: ResultStream['subscribe'],
  breaker: Breaker,
  graceMs: number,
): ResultStream['subscribe'] {
  const guarded = new Set<GuardedReader>();
  let away = false;
  breaker.onOutage(graceMs, () => {
    away = true;
    for (const reader of [...guarded]) reader.end(stayedAway(breaker));
  });
  return (key, afterSeq, reader) => {
    away &&= breaker.state !== 'closed';
    const one = new GuardedReader(reader, guarded);
    if (away) queueMicrotask(() => one.end(stayedAway(breaker)));
    else one.subscription = subscribe(key, afterSeq, one);
    return one;
  };
}

class GuardedReader implements StoryReader, StorySubscription {
  readonly #reader: StoryReader;
  readonly #guarded: Set<GuardedReader>;
  subscription: StorySubscription | undefined;

  constructor(reader: StoryReader, guarded: Set<GuardedReader>) {
    this.#reader = reader;
    this.#guarded = guarded;
    guarded.add(this);
  }

  tell(events: readonly JobEvent[]): Promise<void> | undefined {
    return this.#reader.tell(events);
  }

  end(error?: unknown): void {
    if (!this.#guarded.has(this)) return;
    this.leave();
    this.#reader.end(error === undefined ? undefined : toPublic(error));
  }

  leave(): void {
    if (this.#guarded.delete(this)) this.subscription?.leave();
  }
}
