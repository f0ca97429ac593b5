/** What an append to a story looks like, whatever keeps it. */
import type { JobEvent, NewJobEvent } from '@inkwell/contracts';

/** Throws when something would follow a terminal event inside one append. */
export function endsStory(events: readonly NewJobEvent[]): boolean {
  const end = events.findIndex((event) => 'outcome' in event);
  if (end !== -1 && end !== events.length - 1) throw new TypeError('Nothing may follow a terminal event.');
  return end !== -1;
}

/** As they will stand in the story, behind event `afterSeq`. */
export function numberEvents(events: readonly NewJobEvent[], afterSeq: number): JobEvent[] {
  return events.map((event, index) => ({ ...event, seq: afterSeq + 1 + index }));
}
