/**
 * Log-probabilities as the model gave them: the log-softmax of the raw logits, before bias, penalties, temperature and
 * truncation. Sums are doubles taken in id order, so the figures are reproducible to the bit.
 */
import { expNonPositive } from './exp.ts';

export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/** log(sum(exp(logits))), shifted by the maximum so that nothing overflows. logits [n_vocab], at least one finite. */
export function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > max) max = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += expNonPositive(logits[i]! - max);
  return max + Math.log(sum);
}

/** The `count` most likely tokens, most likely first, lower id first among equals. */
export function topLogprobs(logits: Float32Array, normalizer: number, count: number): TokenLogprob[] {
  const best: number[] = [];
  for (let id = 0; id < logits.length && count > 0; id++) {
    const value = logits[id]!;
    if (best.length === count && value <= logits[best[count - 1]!]!) continue;
    let at = best.length;
    while (at > 0 && logits[best[at - 1]!]! < value) at--;
    best.splice(at, 0, id);
    if (best.length > count) best.pop();
  }
  return best.map((token) => ({ token, logprob: logits[token]! - normalizer }));
}
