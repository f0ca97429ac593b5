/** An entry of a story's list: the mark of the append that wrote it, then the event as JSON. */
import type { JobEvent } from '@inkwell/contracts';
import { markLength } from './mark.ts';

export function toEntry(mark: string, event: JobEvent): string {
  return mark + JSON.stringify(event);
}

export function parseEntry(entry: string): JobEvent {
  return JSON.parse(entry.slice(markLength)) as JobEvent;
}
