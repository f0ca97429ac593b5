/**
 * One job inside the engine: its candidates and what of them is shown. With `bestOf` equal to `n` every candidate is a choice and its text
 * is shown as it is drawn; else nothing is shown until all are drawn, then the n best of each prompt at once.
 */
import type { GenerationSpec, Usage } from '@inkwell/contracts';
import { joinLogprobs } from '@inkwell/contracts/fold-events';
import { Candidate, type EngineModel } from './candidate.ts';
import type { CandidateDelta } from './candidate-delta.ts';

export interface ChoiceDelta extends CandidateDelta {
  /** promptIndex × n + i. */
  index: number;
}

/** A request that can never run on this model. */
export class UnrunnableJobError extends Error {
  override readonly name = 'UnrunnableJobError';
}

function join(a: CandidateDelta | undefined, b: CandidateDelta): CandidateDelta {
  if (a === undefined) return b;
  return {
    delta: a.delta + b.delta,
    tokens: [...a.tokens, ...b.tokens],
    logprobs: joinLogprobs(a.logprobs, b.logprobs),
    finishReason: b.finishReason,
    ...(b.filteredBy !== undefined && { filteredBy: b.filteredBy }),
  };
}

function check(spec: GenerationSpec, model: EngineModel): void {
  for (const prompt of spec.prompts) {
    if (prompt.length === 0) throw new UnrunnableJobError('a prompt needs at least one token');
    if (prompt.length >= model.contextLength) {
      throw new UnrunnableJobError(
        `a prompt of ${prompt.length} tokens leaves no room in a context of ${model.contextLength}`,
      );
    }
    const stranger = prompt.find((token) => !Number.isInteger(token) || token < 0 || token >= model.vocabSize);
    if (stranger !== undefined) throw new UnrunnableJobError(`the model has no token ${stranger}`);
  }
  if (spec.bestOf < spec.n) throw new UnrunnableJobError('bestOf must not be below n');
}

export class EngineJob {
  readonly id: string;
  readonly candidates: Candidate[];
  readonly #spec: GenerationSpec;
  /** What is held back until the best are known. */
  readonly #hidden = new Map<Candidate, CandidateDelta[]>();
  #unfinished: number;

  /**
   * @param delivered per choice the tokens that events already carry; ignored with `bestOf` > `n`, which begins anew and draws the same
   * @throws UnrunnableJobError, or the sampler's error for parameters out of range
   */
  constructor(id: string, spec: GenerationSpec, delivered: readonly (readonly number[])[], model: EngineModel) {
    check(spec, model);
    this.id = id;
    this.#spec = spec;
    this.candidates = Array.from(
      { length: spec.prompts.length * spec.bestOf },
      (_, number) => new Candidate(spec, number, this.#ranked ? [] : (delivered[number] ?? []), model),
    );
    this.#unfinished = this.candidates.filter((one) => one.finishReason === null).length;
  }

  get #ranked(): boolean {
    return this.#spec.bestOf > this.#spec.n;
  }

  get finished(): boolean {
    return this.#unfinished === 0;
  }

  /** Takes what a candidate drew; answers what is to be shown now. */
  accept(candidate: Candidate, drawn: CandidateDelta): ChoiceDelta[] {
    if (drawn.finishReason !== null) this.#unfinished--;
    if (!this.#ranked) return [{ index: this.candidates.indexOf(candidate), ...drawn }];
    const hidden = this.#hidden.get(candidate);
    if (hidden === undefined) this.#hidden.set(candidate, [drawn]);
    else hidden.push(drawn);
    return this.finished ? this.#best() : [];
  }

  usage(): Usage {
    const promptTokens = this.#spec.prompts.reduce((sum, prompt) => sum + prompt.length, 0);
    const completionTokens = this.candidates.reduce((sum, one) => sum + one.drawnTokens, 0);
    return {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    };
  }

  /** The n candidates of each prompt with the highest mean log-probability, best first; the earlier one among equals. */
  #best(): ChoiceDelta[] {
    return this.#spec.prompts.flatMap((_, promptIndex) =>
      this.candidates
        .filter((one) => one.promptIndex === promptIndex)
        .sort((a, b) => b.meanLogprob - a.meanLogprob)
        .slice(0, this.#spec.n)
        .map((one, i) => ({
          index: promptIndex * this.#spec.n + i,
          ...this.#hidden.get(one)!.reduce<CandidateDelta | undefined>(join, undefined)!,
        })),
    );
  }
}
