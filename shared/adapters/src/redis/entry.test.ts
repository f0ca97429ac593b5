import type { DeltaEvent, NewJobEvent } from '@inkwell/contracts';
import { delta, terminal } from '@inkwell/ports/conformance';
import { describe, expect, it } from 'vitest';
import { parseEntry, parseEvents, toEntries } from './entry.ts';
import { markLength, newMark } from './mark.ts';

const text = 'a "quoted" line\nand \u2028, half a pair \ud83d';
const told = delta(text) as Omit<DeltaEvent, 'seq'>;
const plain: Omit<DeltaEvent, 'seq'> = { ...told, logprobs: null };
const events: NewJobEvent[] = [
  { type: 'job.queued', at: 1 },
  { type: 'job.started', at: 2.5, attempt: 3, worker: 'w' },
  plain,
  { ...plain, index: 7, tokens: [] },
  told,
  { ...plain, finishReason: 'length' },
  { ...plain, filteredBy: 'rule' },
  terminal('completed'),
];
const numbered = events.map((event, index) => ({ ...event, seq: 42 + index }));

describe('entries', () => {
  it('are read as the events that were written, one by one and together', () => {
    const mark = newMark();
    const entries = toEntries(mark, events, 41);
    expect(entries.map((entry) => entry.slice(0, markLength))).toEqual(events.map(() => mark));
    expect(entries.map(parseEntry)).toStrictEqual(numbered);
    const together = `[${entries.map((entry) => entry.slice(markLength)).join(',')}]`;
    expect(parseEvents(together)).toStrictEqual(numbered);
  });

  it('hold a plain delta without the names of its members, and no line break', () => {
    const [entry] = toEntries(newMark(), [plain], 0);
    expect(entry).not.toMatch(/delta|tokens|\n/);
  });
});
