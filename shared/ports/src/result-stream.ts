/**
 * The numbered, replayable story of each job. Promises: events are numbered 1, 2, 3 … without a gap; an append is all or nothing, checks
 * fence and place in one atomic step and is durable when it resolves; nothing follows a terminal event; what was read once reads the same
 * for ever (until retention). Not promised: that followers see an event in the same instant it was appended.
 */
import type { JobEvent, JobKey, NewJobEvent, TerminalEvent } from '@inkwell/contracts';

/** Who is told a story as it goes on. Hears nothing before `subscribe` has returned, and nothing after it left. Must not throw. */
export interface StoryReader {
  /** Events in order and without a gap, at least one. A promise holds the story back until it has resolved; it must not reject. */
  tell(events: readonly JobEvent[]): Promise<void> | undefined;
  /** The last it hears: the terminal event has been told or lies behind it (no error), or the story cannot be told on. */
  end(error?: unknown): void;
}

export interface StorySubscription {
  /** Nothing is told any more; may be called again. */
  leave(): void;
}

export interface ResultStream {
  /**
   * Appends events numbered from `afterSeq` + 1. `stale` when `fence` isn't the job's newest fence (0 = never leased), when `afterSeq` isn't
   * the last number, or when the story has ended; then nothing is written.
   */
  append(key: JobKey, fence: number, afterSeq: number, events: readonly NewJobEvent[]): Promise<'ok' | 'stale'>;
  /** Events with a number above `afterSeq`, in order, at most `limit`. */
  read(key: JobKey, afterSeq: number, limit: number): Promise<JobEvent[]>;
  /** The last event, if any. */
  last(key: JobKey): Promise<JobEvent | undefined>;
  /**
   * Replays what lies after `afterSeq`, then follows live; ends after the terminal event (also when that is already behind `afterSeq`), or
   * quietly when the signal aborts.
   */
  follow(key: JobKey, afterSeq: number, signal: AbortSignal): AsyncIterable<JobEvent>;
  /** `follow` for many who mostly wait: told instead of asking, a reader costs little more than its own object. */
  subscribe(key: JobKey, afterSeq: number, reader: StoryReader): StorySubscription;
  /**
   * The terminal event, as soon as there is one; undefined when the signal aborts first. For those who want nothing but the end: however long
   * the story grows meanwhile, that costs them nothing.
   */
  awaitEnd(key: JobKey, signal: AbortSignal): Promise<TerminalEvent | undefined>;
}
