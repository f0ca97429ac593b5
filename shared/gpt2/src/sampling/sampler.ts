/**
 * Turns a row of logits into a token. The choice is a pure function of logits, parameters, history and position (the
 * only randomness is `uniform(seed, stream, position)`), computed in doubles in one fixed order: a restarted or
 * re-batched generation repeats itself exactly. Stopping, streaming and text are left to the engine.
 */
import { ModelError } from '../errors.ts';
import { expNonPositive } from './exp.ts';
import { logSumExp, type TokenLogprob, topLogprobs } from './logprobs.ts';
import { type ResolvedParameters, resolveParameters, type SamplingParameters } from './parameters.ts';
import { adjustLogits, type History, needsAdjustment } from './penalties.ts';
import { uniform } from './philox.ts';
import { type TopSet, TopSetFinder } from './top-set.ts';

export interface SampledToken {
  readonly token: number;
  /** Log-probability of `token` under the raw distribution; present when logprobs were asked for. */
  readonly logprob?: number;
  readonly topLogprobs?: readonly TokenLogprob[];
}

export interface Sampler {
  readonly parameters: ResolvedParameters;
  /**
   * @param logits [n_vocab], not modified
   * @param history what penalties look back at
   * @param position absolute position the sampled token will take in its sequence
   * @throws ModelError if a logit is NaN or +Infinity, or none is finite
   */
  sample(logits: Float32Array, history: History, position: number): SampledToken;
}

/** Working memory shared by all samplers: sampling is synchronous, so no two ever use it at once. */
let adjustedScratch = new Float32Array(0);
let weightScratch = new Float64Array(0);
const finder = new TopSetFinder();

/** Index of the largest value, the lowest id among equals. */
function argMax(values: Float32Array): number {
  let best = -1;
  let max = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value > max) {
      max = value;
      best = i;
    } else if (!(value <= max)) throw notFinite(i, value);
  }
  if (best < 0 || max === Infinity) throw notFinite(Math.max(best, 0), max);
  return best;
}

function notFinite(id: number, value: number): ModelError {
  return new ModelError(`the model produced the logit ${value} for token ${id}; check its weights`);
}

/** Sets to zero the weight of every id outside the set. Returns the sum of the others. */
function keepOnly(set: TopSet, values: Float32Array, weights: Float64Array): number {
  let ties = set.ties;
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    const value = values[i]!;
    if (value > set.value || (value === set.value && ties-- > 0)) total += weights[i]!;
    else weights[i] = 0;
  }
  return total;
}

/** Unnormalised probabilities exp((logit - max) / temperature), those under min_p dropped, [n_vocab], and their sum. */
function softmaxWeights(
  values: Float32Array,
  max: number,
  { temperature, minP }: ResolvedParameters,
  weights: Float64Array,
): number {
  const scale = 1 / temperature;
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    const difference = values[i]! - max;
    const weight = difference === 0 ? 1 : expNonPositive(difference * scale);
    const kept = weight < minP ? 0 : weight;
    weights[i] = kept;
    total += kept;
  }
  return total;
}

/** The id at which the running sum, in id order, first exceeds `target`. */
function draw(weights: Float64Array, target: number): number {
  let running = 0;
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    running += weights[i]!;
    last = i;
    if (running > target) break;
  }
  return last;
}

function choose(values: Float32Array, p: ResolvedParameters, position: number): number {
  const best = argMax(values);
  if (p.temperature === 0 || p.topK === 1 || p.topP === 0) return best;
  if (weightScratch.length < values.length) weightScratch = new Float64Array(values.length);
  const weights = weightScratch.subarray(0, values.length);
  let total = softmaxWeights(values, values[best]!, p, weights);
  if (p.topK > 0 && p.topK < values.length) total = keepOnly(finder.findCount(values, p.topK), values, weights);
  if (p.topP < 1) total = keepOnly(finder.findShare(values, weights, total, p.topP), values, weights);
  return draw(weights, total * uniform(p.seed, p.stream, position));
}

/**
 * Order of operations: logit bias, penalties, temperature, min_p, top_k, top_p, draw.
 * @throws ModelError if a parameter is out of range
 */
export function createSampler(given: SamplingParameters): Sampler {
  const parameters = resolveParameters(given);
  const adjusts = needsAdjustment(parameters);
  return {
    parameters,
    sample(logits, history, position) {
      let values = logits;
      if (adjusts) {
        if (adjustedScratch.length < logits.length) adjustedScratch = new Float32Array(logits.length);
        values = adjustedScratch.subarray(0, logits.length);
        adjustLogits(logits, history, parameters, values);
      }
      const token = choose(values, parameters, position);
      if (parameters.logprobs === undefined) return { token };
      const normalizer = logSumExp(logits);
      return {
        token,
        logprob: logits[token]! - normalizer,
        topLogprobs: topLogprobs(logits, normalizer, parameters.logprobs),
      };
    },
  };
}
