/**
 * A durable log of what happened, for projections (audit, usage, history) that may lag behind or stand still for a while. Promises: `publish`
 * resolves when the fact is durable; every group of consumers, also one that comes later, gets every fact still kept at least once, those of
 * one subject in order; a batch comes again until its handler resolves; a consumer's handler is never called while it still runs. A group
 * goes on behind what it had taken in. Not promised: exactly once (a projection recognises a fact by its id), order between subjects.
 */
import type { Fact } from '@inkwell/contracts';

export interface FactConsumer {
  /** Each group keeps its own place. */
  group: string;
  /** Taken in when it resolves. Rejecting means: again later. */
  onFacts(facts: readonly Fact[]): Promise<void>;
  signal: AbortSignal;
}

export interface FactLog {
  /** `mayWaitMs`: so much later is soon enough, if it can share a write with others then (default 0). */
  publish(fact: Fact, options?: { mayWaitMs?: number }): Promise<void>;
  /** Resolves once the consumer receives; it goes on until the signal aborts. */
  consume(consumer: FactConsumer): Promise<void>;
}
