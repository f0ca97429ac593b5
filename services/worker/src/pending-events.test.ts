import { describe, expect, it } from 'vitest';
import { PendingEvents } from './pending-events.ts';

const delta = (index: number, text: string, tokens: number[], finishReason: 'stop' | null = null) => ({
  index,
  delta: text,
  tokens,
  logprobs: null,
  finishReason,
});

describe('PendingEvents', () => {
  it('merges the text of each index, and tokens whose text is held back wait for text to show', () => {
    const pending = new PendingEvents();
    pending.add(delta(0, '', [1]));
    expect(pending.ready).toBe(false);
    expect(pending.take(5, false)).toEqual([]);
    pending.add(delta(1, 'b', [9]));
    pending.add(delta(0, 'a', [2]));
    pending.add(delta(0, '', [3]));
    expect(pending.ready).toBe(true);
    expect(pending.take(5, false)).toEqual([
      { type: 'job.delta', at: 5, ...delta(0, 'a', [1, 2, 3]) },
      { type: 'job.delta', at: 5, ...delta(1, 'b', [9]) },
    ]);
    expect(pending.take(6, true)).toEqual([]);
  });

  it('tells an end without text, a start first, and at the end of the story every token drawn', () => {
    const pending = new PendingEvents();
    pending.start({ type: 'job.started', at: 1, attempt: 2, worker: 'w' });
    pending.add(delta(0, '', [7], 'stop'));
    pending.add(delta(1, '', [8]));
    expect(pending.take(2, false).map((event) => event.type)).toEqual(['job.started', 'job.delta']);
    expect(pending.ready).toBe(false);
    expect(pending.take(3, true)).toEqual([{ type: 'job.delta', at: 3, ...delta(1, '', [8]) }]);
  });
});
