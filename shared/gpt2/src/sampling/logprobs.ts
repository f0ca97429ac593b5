/**
 * Log-probabilities as the model gave them: the log-softmax of the raw logits, before bias, penalties, temperature and
 * truncation. Sums are doubles taken in id order, so the figures are reproducible to the bit.
 */
import { rowOf } from './vocabulary-row.ts';

export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/** log(sum(exp(logits))), shifted by the maximum so that nothing overflows. logits [n_vocab], at least one finite. */
export function logSumExp(logits: Float32Array): number {
  const row = rowOf(logits);
  const most = row.largest();
  return most + Math.log(row.weigh(most, 1, 0));
}

/** The `count` most likely tokens, most likely first, lower id first among equals. */
export function topLogprobs(logits: Float32Array, normalizer: number, count: number): TokenLogprob[] {
  const best: number[] = [];
  const { length } = logits;
  /** No value is below it while there is room. */
  let least = Number.NaN;
  for (let id = 0; id < length && count > 0; id++) {
    const value = logits[id]!;
    if (value <= least) continue;
    let at = best.length;
    while (at > 0 && logits[best[at - 1]!]! < value) at--;
    best.splice(at, 0, id);
    if (best.length > count) best.pop();
    if (best.length === count) least = logits[best[count - 1]!]!;
  }
  return best.map((token) => ({ token, logprob: logits[token]! - normalizer }));
}
