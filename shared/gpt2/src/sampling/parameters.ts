/**
 * The knobs of one generation. All are optional; the defaults draw from the model's own distribution.
 * Validation guarantees finite numbers in range, so that nothing downstream can turn into NaN.
 */
import { ModelError } from '../errors.ts';

export interface SamplingParameters {
  /** 0 is greedy (lowest id wins ties); 1 is the model's own distribution. 0–100. */
  readonly temperature?: number;
  /** Keep only the k most likely tokens; 0 keeps all. */
  readonly topK?: number;
  /** Keep the smallest set of most likely tokens whose probability reaches this; 1 keeps all. */
  readonly topP?: number;
  /** Drop tokens less likely than this fraction of the most likely one; 0 keeps all. */
  readonly minP?: number;
  /** Subtracted once from every token already generated. */
  readonly presencePenalty?: number;
  /** Subtracted once per occurrence among the generated tokens. */
  readonly frequencyPenalty?: number;
  /** Divides positive and multiplies negative logits of tokens in prompt or output; 1 is off (CTRL, Keskar et al. 2019, section 4.1). */
  readonly repetitionPenalty?: number;
  /** Added to the logit of a token id. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** How many of the most likely tokens to report beside the chosen one; undefined reports no log-probabilities. */
  readonly logprobs?: number;
  /** Key of the random generator, taken modulo 2^64. */
  readonly seed?: bigint | number;
  /** Which independent sequence of that seed, e.g. the index of the choice. */
  readonly stream?: number;
}

export type ResolvedParameters = Required<Omit<SamplingParameters, 'logprobs'>> & { readonly logprobs?: number };

function inRange(name: string, value: number, low: number, high: number): number {
  if (!(value >= low && value <= high)) throw new ModelError(`${name} must be from ${low} to ${high}, got ${value}`);
  return value;
}

function wholeInRange(name: string, value: number, low: number, high: number): number {
  if (!Number.isInteger(value)) throw new ModelError(`${name} must be a whole number, got ${value}`);
  return inRange(name, value, low, high);
}

function checkedBias(bias: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  for (const [id, value] of bias) {
    wholeInRange('logit_bias token id', id, 0, 2 ** 31);
    inRange(`logit_bias of token ${id}`, value, -1000, 1000);
  }
  return bias;
}

/**
 * Fills in defaults and validates.
 * @throws ModelError naming the parameter that is out of range.
 */
export function resolveParameters(given: SamplingParameters): ResolvedParameters {
  const seed = given.seed ?? 0;
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new ModelError(`seed must be a whole number, got ${seed}`);
  }
  return {
    temperature: inRange('temperature', given.temperature ?? 1, 0, 100),
    topK: wholeInRange('top_k', given.topK ?? 0, 0, 2 ** 31),
    topP: inRange('top_p', given.topP ?? 1, 0, 1),
    minP: inRange('min_p', given.minP ?? 0, 0, 1),
    presencePenalty: inRange('presence_penalty', given.presencePenalty ?? 0, -100, 100),
    frequencyPenalty: inRange('frequency_penalty', given.frequencyPenalty ?? 0, -100, 100),
    repetitionPenalty: inRange('repetition_penalty', given.repetitionPenalty ?? 1, 0.01, 100),
    logitBias: checkedBias(given.logitBias ?? new Map()),
    seed,
    stream: wholeInRange('stream', given.stream ?? 0, 0, 2 ** 32 - 1),
    ...(given.logprobs === undefined ? {} : { logprobs: wholeInRange('logprobs', given.logprobs, 0, 100) }),
  };
}
