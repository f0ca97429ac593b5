/**
 * The text of a job by its definition, one token after the other without cache, batch or stream: what the engine must reproduce. Kept as
 * plain as possible and apart from the engine's own text and scheduling code.
 */
import type { FinishReason, GenerationSpec } from '@inkwell/contracts';
import { createSampler, type Tokenizer } from '@inkwell/gpt2';

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
    if (cut !== null) return { tokens, text: echoed + cut, finishReason: 'stop', logprobs };
    if (last) return { tokens, text: echoed + drawnText, finishReason: ended ? 'stop' : 'length', logprobs };
  }
}
