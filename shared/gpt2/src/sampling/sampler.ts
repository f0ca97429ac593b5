/**
 * Turns a row of logits into a token. The choice is a pure function of logits, parameters, history and position (the
 * only randomness is `uniform(seed, stream, position)`), computed in doubles in one fixed order: a restarted or
 * re-batched generation repeats itself exactly. Stopping, streaming and text are left to the engine.
 */
import { ModelError } from '../errors.ts';
import { logSumExp, type TokenLogprob, topLogprobs } from './logprobs.ts';
import { type ResolvedParameters, resolveParameters, type SamplingParameters } from './parameters.ts';
import { adjustLogits, type History, needsAdjustment } from './penalties.ts';
import { uniform } from './philox.ts';
import { TopSetFinder } from './top-set.ts';
import { rowOf, type VocabularyRow } from './vocabulary-row.ts';

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

/** Shared like the row. */
const finder = new TopSetFinder();

/** The largest value of the row. */
function largest(row: VocabularyRow): number {
  const value = row.largest();
  if (Number.isFinite(value)) return value;
  const id = Math.max(
    0,
    row.values.findIndex((one) => Number.isNaN(one) || one === Infinity),
  );
  throw new ModelError(`the model produced the logit ${row.values[id]} for token ${id}; check its weights`);
}

function choose(row: VocabularyRow, p: ResolvedParameters, position: number): number {
  const most = largest(row);
  if (p.temperature === 0 || p.topK === 1 || p.topP === 0) return row.firstAt(most);
  let total = row.weigh(most, p.temperature, p.minP);
  if (p.topK > 0 && p.topK < row.values.length) total = row.keepOnly(finder.findCount(row, p.topK));
  if (p.topP < 1) total = row.keepOnly(finder.findShare(row, total, p.topP));
  return row.crossing(total * uniform(p.seed, p.stream, position));
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
      const row = rowOf(logits);
      if (adjusts) adjustLogits(row.values, history, parameters);
      const token = choose(row, parameters, position);
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
