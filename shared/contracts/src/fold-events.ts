/**
 * What a job's story says so far: each choice's text, logprobs and tokens, and the usage. A pure function of spec and events, so that every
 * process that reads the same events reports the same result: the worker when it continues or ends a job, the gateway when it cancels one.
 */
import type { Choice, FinishReason, GenerationSpec, JobResult, LogprobsBlock } from './job.ts';
import type { DeltaEvent, JobEvent, NewJobEvent } from './job-event.ts';

export interface FoldedEvents {
  result: JobResult;
  /** Tokens drawn so far, per choice. */
  tokens: number[][];
  /** False while no token was drawn; then `result` holds only empty choices. */
  produced: boolean;
}

interface ChoiceDraft {
  text: string;
  tokens: number[];
  logprobs: LogprobsBlock | null;
  finishReason: FinishReason | null;
}

/** Two stretches of one choice's logprobs as one. `a` may be null (nothing yet). */
export function joinLogprobs(a: LogprobsBlock | null, b: LogprobsBlock | null): LogprobsBlock | null {
  if (a === null || b === null) return a ?? b;
  return {
    tokens: [...a.tokens, ...b.tokens],
    token_logprobs: [...a.token_logprobs, ...b.token_logprobs],
    top_logprobs: a.top_logprobs === null || b.top_logprobs === null ? null : [...a.top_logprobs, ...b.top_logprobs],
    text_offset: [...a.text_offset, ...b.text_offset],
  };
}

function emptyLogprobs(spec: GenerationSpec): LogprobsBlock | null {
  if (spec.logprobs === null) return null;
  return { tokens: [], token_logprobs: [], top_logprobs: spec.logprobs === 0 ? null : [], text_offset: [] };
}

/** All arrays are appended in place: folding stays linear in the number of tokens. */
function appendLogprobs(onto: LogprobsBlock, block: LogprobsBlock): void {
  for (const token of block.tokens) onto.tokens.push(token);
  for (const logprob of block.token_logprobs) onto.token_logprobs.push(logprob);
  for (const top of block.top_logprobs ?? []) onto.top_logprobs?.push(top);
  for (const offset of block.text_offset) onto.text_offset.push(offset);
}

function appendDelta(
  draft: ChoiceDraft,
  event: Pick<DeltaEvent, 'delta' | 'tokens' | 'logprobs' | 'finishReason'>,
): void {
  draft.text += event.delta;
  for (const token of event.tokens) draft.tokens.push(token);
  if (draft.logprobs !== null && event.logprobs !== null) appendLogprobs(draft.logprobs, event.logprobs);
  draft.finishReason = event.finishReason ?? draft.finishReason;
}

/**
 * @param events in order, from the first; other kinds than deltas are passed over
 * @returns one choice per promptIndex × n + i, also those that have produced nothing. `completion_tokens` counts every token the events
 *   carry; with `bestOf` > `n` nothing is in the events until the end, and who drew the candidates knows the true count.
 */
export function foldEvents(spec: GenerationSpec, events: Iterable<JobEvent | NewJobEvent>): FoldedEvents {
  const drafts: ChoiceDraft[] = Array.from({ length: spec.prompts.length * spec.n }, () => ({
    text: '',
    tokens: [],
    logprobs: emptyLogprobs(spec),
    finishReason: null,
  }));
  for (const event of events) {
    if (event.type !== 'job.delta') continue;
    const draft = drafts[event.index];
    if (draft !== undefined) appendDelta(draft, event);
  }
  const choices: Choice[] = drafts.map((draft, index) => ({
    text: draft.text,
    index,
    logprobs: draft.logprobs,
    finish_reason: draft.finishReason,
  }));
  const promptTokens = spec.prompts.reduce((sum, prompt) => sum + prompt.length, 0);
  const completionTokens = drafts.reduce((sum, draft) => sum + draft.tokens.length, 0);
  return {
    result: {
      choices,
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: completionTokens,
        total_tokens: promptTokens + completionTokens,
      },
    },
    tokens: drafts.map((draft) => draft.tokens),
    produced: completionTokens > 0,
  };
}
