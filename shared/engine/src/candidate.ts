/**
 * One text being drawn for a job: its sequence, its sampler and its visible text. It takes logits and turns them into deltas; which
 * candidates become choices is the job's business.
 */
import type { FinishReason, GenerationSpec } from '@inkwell/contracts';
import { createSampler, type Sampler, type Tokenizer } from '@inkwell/gpt2';
import type { CandidateDelta } from './candidate-delta.ts';
import { LogprobsBuilder, PromptScorer, type ScoredToken } from './logprobs.ts';
import { Sequence } from './sequence.ts';
import { type Shown, TextStream } from './text-stream.ts';
import { WholeTokens } from './whole-tokens.ts';

/** What a model is to the engine beside its tensors. */
export interface EngineModel {
  tokenizer: Tokenizer;
  /** Positions a sequence may have: prompt and drawn tokens together. */
  contextLength: number;
  vocabSize: number;
}

export class Candidate {
  readonly promptIndex: number;
  readonly sequence: Sequence;
  readonly #sampler: Sampler;
  readonly #text: TextStream;
  readonly #logprobs: LogprobsBuilder | null;
  readonly #scorer: PromptScorer | null = null;
  readonly #wholeTokens: WholeTokens | null = null;
  readonly #replacement: string;
  #logprobSum = 0;

  /**
   * @param number promptIndex × bestOf + i: which stream of the seed's random numbers it draws from
   * @param drawn tokens an earlier run has drawn and shown
   */
  constructor(spec: GenerationSpec, number: number, drawn: readonly number[], model: EngineModel) {
    this.promptIndex = Math.floor(number / spec.bestOf);
    const prompt = spec.prompts[this.promptIndex]!;
    this.#sampler = createSampler({
      ...spec.sampling,
      logitBias: new Map(Object.entries(spec.sampling.logitBias).map(([token, bias]) => [Number(token), bias])),
      logprobs: spec.logprobs ?? (spec.bestOf > spec.n ? 0 : undefined),
      stream: number,
    });
    const maxTokens = Math.min(spec.maxTokens, model.contextLength - prompt.length);
    this.#text = new TextStream(model.tokenizer, {
      stop: spec.stop,
      endToken: spec.ignoreEos ? null : model.tokenizer.endOfTextId,
      maxTokens,
      echo: spec.echo ? prompt : [],
      filter: spec.outputFilter,
    });
    this.#replacement = spec.outputFilter?.replacement ?? '';
    this.#logprobs =
      spec.logprobs === null ? null : new LogprobsBuilder(model.tokenizer, spec.logprobs, spec.outputFilter);
    const scoresPrompt = spec.echo && this.#logprobs !== null && drawn.length === 0;
    this.sequence = new Sequence(prompt, drawn, scoresPrompt ? 0 : undefined, prompt.length + maxTokens);
    let shown = 0;
    let delivered = 0;
    for (const token of drawn) {
      const { delta, end } = this.#text.push(token);
      shown += delta.length;
      delivered = end;
    }
    if (this.#logprobs !== null && spec.outputFilter !== undefined) {
      this.#wholeTokens = new WholeTokens(this.#logprobs, shown, delivered);
    }
    if (scoresPrompt) {
      this.#scorer = new PromptScorer(spec.logprobs ?? 0);
      this.#addEcho({ token: prompt[0]! }, 0);
    }
  }

  get finishReason(): FinishReason | null {
    return this.#text.finishReason;
  }

  get drawnTokens(): number {
    return this.#text.tokenCount;
  }

  /** What bestOf compares. */
  get meanLogprob(): number {
    return this.#logprobSum / Math.max(1, this.#text.tokenCount);
  }

  /** Takes the logits behind a prompt token that is not the last: they score the next one. */
  scorePrompt(logits: Float32Array, position: number): void {
    const token = this.sequence.tokens[position + 1]!;
    this.#addEcho(this.#scorer!.score(logits, token), position + 1);
  }

  #addEcho(scored: ScoredToken, position: number): void {
    const { echoOffsets } = this.#text;
    const offset = echoOffsets[position]!;
    if (this.#wholeTokens === null) this.#logprobs?.add(scored, offset);
    else this.#wholeTokens.echo(scored, offset, echoOffsets[position + 1] ?? this.#text.echoLength);
  }

  /** Draws the next token. Must not be called once finished. */
  draw(logits: Float32Array): CandidateDelta {
    const { tokens, promptLength } = this.sequence;
    const drawn = this.#sampler.sample(logits, { ids: tokens, generatedFrom: promptLength }, tokens.length);
    tokens.push(drawn.token);
    this.#logprobSum += drawn.logprob ?? 0;
    const shown = this.#text.push(drawn.token);
    const { filteredBy } = this.#text;
    return { ...this.#deltaOf(drawn, shown), ...(filteredBy !== null && { filteredBy }) };
  }

  #deltaOf(drawn: ScoredToken, shown: Shown): CandidateDelta {
    if (this.#wholeTokens !== null) return this.#wholeTokens.draw(drawn, shown, this.#replacement);
    this.#logprobs?.add(drawn, shown.offset);
    return {
      delta: shown.delta,
      tokens: [drawn.token],
      logprobs: this.#logprobs?.take() ?? null,
      finishReason: shown.finishReason,
    };
  }
}
