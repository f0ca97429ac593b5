/** Adjusts logits by logit bias and by what was already said. */
import type { ResolvedParameters } from './parameters.ts';

/** The tokens a sequence holds so far. */
export interface History {
  /** Prompt and generated ids, in order. */
  readonly ids: ArrayLike<number>;
  /** Index in `ids` at which generated tokens begin. */
  readonly generatedFrom: number;
}

/** Whether `adjustLogits` would change anything. */
export function needsAdjustment(p: ResolvedParameters): boolean {
  return p.logitBias.size > 0 || p.presencePenalty !== 0 || p.frequencyPenalty !== 0 || p.repetitionPenalty !== 1;
}

function occurrences(ids: ArrayLike<number>, from: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = from; i < ids.length; i++) counts.set(ids[i]!, (counts.get(ids[i]!) ?? 0) + 1);
  return counts;
}

/**
 * Bias, then repetition penalty (prompt and output), then presence and frequency penalties (output only).
 * @param adjusted [n_vocab], a copy of the model's own, from which log-probabilities are reported
 */
export function adjustLogits(adjusted: Float32Array, history: History, p: ResolvedParameters): void {
  for (const [id, bias] of p.logitBias) {
    if (id < adjusted.length) adjusted[id] = adjusted[id]! + bias;
  }
  if (p.repetitionPenalty !== 1) {
    for (const id of occurrences(history.ids, 0).keys()) {
      const value = adjusted[id]!;
      adjusted[id] = value > 0 ? value / p.repetitionPenalty : value * p.repetitionPenalty;
    }
  }
  if (p.presencePenalty !== 0 || p.frequencyPenalty !== 0) {
    for (const [id, count] of occurrences(history.ids, history.generatedFrom)) {
      adjusted[id] = adjusted[id]! - p.presencePenalty - p.frequencyPenalty * count;
    }
  }
}
