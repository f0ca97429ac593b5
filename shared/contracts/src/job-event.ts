/**
 * The numbered story of a job. Events are stored in this form and shown to clients by the gateway. Sequence numbers start at 1 and have no
 * gap; exactly one event, the last, is terminal. The deltas of an index, concatenated, are its text.
 */
import type { FinishReason, JobOutcome, LogprobsBlock, TerminalState } from './job.ts';

interface EventBase {
  seq: number;
  /** Unix milliseconds. */
  at: number;
}

export interface QueuedEvent extends EventBase {
  type: 'job.queued';
}

export interface StartedEvent extends EventBase {
  type: 'job.started';
  attempt: number;
  worker: string;
}

/** Text of one choice that is now safe to show. */
export interface DeltaEvent extends EventBase {
  type: 'job.delta';
  index: number;
  delta: string;
  /**
   * Every token drawn for this choice since its last delta, also those whose text is still held back (half a character, the beginning of a
   * stop string). Text shown is a pure function of the tokens so far, so a successor that reads these continues exactly. With logprobs and an
   * output filter only tokens whose whole text has been shown: the others are drawn again.
   */
  tokens: number[];
  logprobs: LogprobsBlock | null;
  /** Set on the last delta of the index. */
  finishReason: FinishReason | null;
  /** Id of the rule that ended the text; only with `content_filter`. Not shown to clients. */
  filteredBy?: string;
}

export interface TerminalEvent extends EventBase {
  type: `job.${TerminalState}`;
  outcome: JobOutcome;
}

export type JobEvent = QueuedEvent | StartedEvent | DeltaEvent | TerminalEvent;

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** An event before its place in the story is known. */
export type NewJobEvent = DistributiveOmit<JobEvent, 'seq'>;

export function isTerminalEvent(event: JobEvent): event is TerminalEvent {
  return 'outcome' in event;
}
