/**
 * How well a backend predicts a text. Documents are independent; each is fed in windows of the model's context, of which every window
 * after the first repeats the last half of the one before as context that is not scored.
 */
import type { ModelBackend, StepBatch } from '@inkwell/ports';
import { logSumExp } from '../sampling/logprobs.ts';

export interface Loss {
  /** Summed over `tokens` targets, in nats. */
  readonly nats: number;
  readonly tokens: number;
}

/** Rows of one step. */
const STEP_ROWS = 128;

interface Window {
  readonly ids: readonly number[];
  /** Index in `ids` of the first target that is scored. */
  readonly firstTarget: number;
}

function windowsOf(ids: readonly number[], contextLength: number): Window[] {
  const windows: Window[] = [{ ids: ids.slice(0, contextLength), firstTarget: 1 }];
  const half = Math.floor(contextLength / 2);
  for (let scored = contextLength; scored < ids.length; scored += contextLength - half) {
    const start = scored - half;
    windows.push({ ids: ids.slice(start, start + contextLength), firstTarget: half });
  }
  return windows;
}

/** Rows [from, to) of one sequence in the backend's first blocks; logits of those that predict a scored target. */
function stepOf({ ids, firstTarget }: Window, from: number, to: number, blockSize: number): StepBatch {
  const positions = Int32Array.from({ length: to - from }, (_, i) => from + i);
  return {
    tokens: positions.map((position) => ids[position]!),
    positions,
    sequences: new Int32Array(to - from),
    blockTables: [Int32Array.from({ length: Math.ceil(to / blockSize) }, (_, block) => block)],
    logitsRows: Int32Array.from(
      [...positions].filter((position) => position + 1 >= firstTarget && position + 1 < ids.length),
      (position) => position - from,
    ),
  };
}

async function windowLoss(backend: ModelBackend, window: Window): Promise<Loss> {
  let nats = 0;
  let tokens = 0;
  for (let from = 0; from < window.ids.length; from += STEP_ROWS) {
    const to = Math.min(from + STEP_ROWS, window.ids.length);
    const step = stepOf(window, from, to, backend.info.blockSize);
    const rows = await backend.forward(step);
    rows.forEach((logits, index) => {
      const target = window.ids[from + step.logitsRows[index]! + 1]!;
      nats += logSumExp(logits) - logits[target]!;
      tokens++;
    });
  }
  return { nats, tokens };
}

/** @param documents token ids of each, the first one being what the model sees before it predicts anything */
export async function lossOf(backend: ModelBackend, documents: readonly (readonly number[])[]): Promise<Loss> {
  let nats = 0;
  let tokens = 0;
  for (const window of documents.flatMap((ids) => windowsOf(ids, backend.info.contextLength))) {
    const loss = await windowLoss(backend, window);
    nats += loss.nats;
    tokens += loss.tokens;
  }
  return { nats, tokens };
}

/** e^(nats per token). */
export const perplexityOf = ({ nats, tokens }: Loss): number => Math.exp(nats / tokens);
