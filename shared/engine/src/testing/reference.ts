/**
 * The text of a job by its definition, one token after the other without cache, batch or stream: what the engine must reproduce. Kept as
 * plain as possible and apart from the engine's own text and scheduling code.
 */
import type { FinishReason, GenerationSpec, OutputFilter } from '@inkwell/contracts';
import { createSampler, type Tokenizer } from '@inkwell/gpt2';
import { PhraseFilter } from '@inkwell/safety';

export interface ReferenceText {
  tokens: number[];
  text: string;
  finishReason: FinishReason;
  logprobs: number[];
}

type LogitsAfter = (tokens: readonly number[]) => Float32Array;

/** Units of `text` before the stop string that is complete first, or null. */
function cutAtStop(text: string, stops: readonly string[]): string | null {
  for (let end = 1; end <= text.length; end++) {
    const lengths = stops.filter((stop) => stop !== '' && text.slice(0, end).endsWith(stop)).map((stop) => stop.length);
    if (lengths.length > 0) return text.slice(0, end - Math.max(...lengths));
  }
  return null;
}

/** The text up to the first banned phrase, or null when there is none; `last` = nothing follows it. Cutting anew each time, from the start. */
function cutAtBanned(text: string, filter: OutputFilter | undefined, last: boolean): string | null {
  if (filter === undefined) return null;
  const phrases = new PhraseFilter(filter);
  const shown = phrases.write(text);
  if (shown.rule !== null) return shown.text;
  const rest = last ? phrases.flush() : null;
  return rest === null || rest.rule === null ? null : shown.text + rest.text;
}

/** Drawn text that no stop string can take back any more. */
function beyondStops(text: string, stops: readonly string[]): string {
  let held = 0;
  for (const stop of stops) {
    for (let k = 1; k < stop.length; k++) if (text.endsWith(stop.slice(0, k))) held = Math.max(held, k);
  }
  return text.slice(0, text.length - held);
}

/** Text without a last character that more bytes could still complete. */
function settledText(tokenizer: Tokenizer, tokens: readonly number[]): string {
  const bytes = Buffer.concat(tokens.map((token) => tokenizer.tokenBytes(token)));
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes, { stream: true });
}

/** The `number`-th candidate (promptIndex × bestOf + i) of the job. */
export function referenceText(
  spec: GenerationSpec,
  number: number,
  tokenizer: Tokenizer,
  contextLength: number,
  logitsAfter: LogitsAfter,
): ReferenceText {
  const prompt = spec.prompts[Math.floor(number / spec.bestOf)]!;
  const sampler = createSampler({
    ...spec.sampling,
    logitBias: new Map(Object.entries(spec.sampling.logitBias).map(([token, bias]) => [Number(token), bias])),
    logprobs: 0,
    stream: number,
  });
  const all = [...prompt];
  const logprobs: number[] = [];
  const limit = Math.min(spec.maxTokens, contextLength - prompt.length);
  const shownPrompt = spec.echo ? prompt : [];
  // A character may begin in the prompt and end in the drawn tokens: it belongs to what is drawn.
  const echoed = settledText(tokenizer, shownPrompt);
  for (;;) {
    const drawn = sampler.sample(logitsAfter(all), { ids: all, generatedFrom: prompt.length }, all.length);
    all.push(drawn.token);
    logprobs.push(drawn.logprob!);
    const tokens = all.slice(prompt.length);
    const ended = drawn.token === tokenizer.endOfTextId && !spec.ignoreEos;
    const texts = [...shownPrompt, ...(ended ? tokens.slice(0, -1) : tokens)];
    const last = ended || tokens.length === limit;
    const drawnText = (last ? tokenizer.decode(texts) : settledText(tokenizer, texts)).slice(echoed.length);
    const cut = cutAtStop(drawnText, spec.stop);
    const settled = cut ?? (last ? drawnText : beyondStops(drawnText, spec.stop));
    const allowed = cutAtBanned(echoed + settled, spec.outputFilter, cut !== null || last);
    if (allowed !== null) {
      const text = allowed + spec.outputFilter!.replacement;
      return { tokens, text, finishReason: 'content_filter', logprobs };
    }
    if (cut !== null) return { tokens, text: echoed + cut, finishReason: 'stop', logprobs };
    if (last) return { tokens, text: echoed + drawnText, finishReason: ended ? 'stop' : 'length', logprobs };
  }
}
