/**
 * An entry of a story's list: the mark of the append that wrote it, then the event. Most events are plain deltas, which cross three processes
 * and the log of the server each: they are an array of their values, without names. All others are JSON as they are.
 */
import type { DeltaEvent, JobEvent, NewJobEvent } from '@inkwell/contracts';
import { markLength } from './mark.ts';

/** Number, Unix milliseconds, index, text, tokens. */
type PlainDelta = [seq: number, at: number, index: number, delta: string, tokens: number[]];

function isPlainDelta(event: NewJobEvent): event is Omit<DeltaEvent, 'seq'> {
  return (
    event.type === 'job.delta' &&
    event.finishReason === null &&
    event.logprobs === null &&
    event.filteredBy === undefined
  );
}

function toStored(event: NewJobEvent, seq: number): JobEvent | PlainDelta {
  if (!isPlainDelta(event)) return { ...event, seq };
  return [seq, event.at, event.index, event.delta, event.tokens];
}

export function toEntry(mark: string, event: NewJobEvent, seq: number): string {
  return mark + JSON.stringify(toStored(event, seq));
}

/** As they will stand in the story, behind event `afterSeq`. */
export function toEntries(mark: string, events: readonly NewJobEvent[], afterSeq: number): string[] {
  return events.map((event, index) => toEntry(mark, event, afterSeq + 1 + index));
}

/** From the parsed JSON of an entry. */
function toEvent(stored: JobEvent | PlainDelta): JobEvent {
  if (!Array.isArray(stored)) return stored;
  const [seq, at, index, delta, tokens] = stored;
  return { type: 'job.delta', at, index, delta, tokens, logprobs: null, finishReason: null, seq };
}

export function parseEntry(entry: string): JobEvent {
  return toEvent(JSON.parse(entry.slice(markLength)) as JobEvent | PlainDelta);
}

/** From the JSON of several, without marks, in one array. */
export function parseEvents(json: string): JobEvent[] {
  return (JSON.parse(json) as (JobEvent | PlainDelta)[]).map(toEvent);
}
