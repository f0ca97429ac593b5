import { describe, expect, it } from 'vitest';
import { foldEvents, joinLogprobs } from './fold-events.ts';
import { type GenerationSpec, type LogprobsBlock, neutralSampling } from './job.ts';
import type { JobEvent } from './job-event.ts';

const spec: GenerationSpec = {
  model: 'm',
  prompts: [[1, 2, 3], [4]],
  maxTokens: 8,
  n: 2,
  bestOf: 2,
  sampling: neutralSampling,
  stop: [],
  logprobs: null,
  echo: false,
  ignoreEos: false,
};

const delta = (seq: number, index: number, text: string, tokens: number[], over: object = {}): JobEvent => ({
  type: 'job.delta',
  seq,
  at: 0,
  index,
  delta: text,
  tokens,
  logprobs: null,
  finishReason: null,
  ...over,
});

const block = (token: string, logprob: number, offset: number): LogprobsBlock => ({
  tokens: [token],
  token_logprobs: [logprob],
  top_logprobs: [{ [token]: logprob }],
  text_offset: [offset],
});

describe('foldEvents', () => {
  it('answers one empty choice per prompt and n when nothing was produced', () => {
    const folded = foldEvents(spec, [{ type: 'job.queued', seq: 1, at: 0 }]);
    expect(folded.produced).toBe(false);
    expect(folded.result.choices.map((choice) => [choice.index, choice.text, choice.finish_reason])).toEqual([
      [0, '', null],
      [1, '', null],
      [2, '', null],
      [3, '', null],
    ]);
    expect(folded.result.usage).toEqual({ prompt_tokens: 4, completion_tokens: 0, total_tokens: 4 });
  });

  it('concatenates each index on its own and counts every token, held back or not', () => {
    const folded = foldEvents(spec, [
      { type: 'job.queued', seq: 1, at: 0 },
      { type: 'job.started', seq: 2, at: 0, attempt: 1, worker: 'w' },
      delta(3, 0, 'He', [5]),
      delta(4, 3, 'x', [9, 9]),
      { type: 'job.started', seq: 5, at: 0, attempt: 2, worker: 'v' },
      delta(6, 0, 'llo', [6, 7], { finishReason: 'stop' }),
    ]);
    expect(folded.result.choices[0]).toEqual({ text: 'Hello', index: 0, logprobs: null, finish_reason: 'stop' });
    expect(folded.result.choices[3]?.text).toBe('x');
    expect(folded.tokens).toEqual([[5, 6, 7], [], [], [9, 9]]);
    expect(folded.result.usage).toEqual({ prompt_tokens: 4, completion_tokens: 5, total_tokens: 9 });
    expect(folded.produced).toBe(true);
  });

  it('joins logprobs in order and leaves top_logprobs null when no alternatives were asked for', () => {
    const events = [
      delta(1, 0, 'a', [1], { logprobs: block('a', -1, 0) }),
      delta(2, 0, 'b', [2], { logprobs: block('b', -2, 1) }),
    ];
    expect(foldEvents({ ...spec, logprobs: 1 }, events).result.choices[0]?.logprobs).toEqual({
      tokens: ['a', 'b'],
      token_logprobs: [-1, -2],
      top_logprobs: [{ a: -1 }, { b: -2 }],
      text_offset: [0, 1],
    });
    expect(foldEvents({ ...spec, logprobs: 0 }, events).result.choices[0]?.logprobs?.top_logprobs).toBeNull();
    expect(joinLogprobs(null, block('a', -1, 0))).toEqual(block('a', -1, 0));
    expect(joinLogprobs(block('a', -1, 0), block('b', -2, 1))?.text_offset).toEqual([0, 1]);
  });
});
