/** What tests need to drive a backend by hand: build steps for one sequence, run a prompt, decode greedily. */
import type { ModelBackend, StepBatch } from '@inkwell/ports';
import { createSampler } from '../sampling/sampler.ts';

export interface SequenceSlice {
  readonly ids: ArrayLike<number>;
  /** Position of ids[0]. */
  readonly from: number;
  readonly table: Int32Array;
}

/** One step holding several slices; logits of every row, or only of each slice's last. */
export function stepOf(slices: readonly SequenceSlice[], wanted: 'all' | 'last'): StepBatch {
  const tokens: number[] = [];
  const positions: number[] = [];
  const sequences: number[] = [];
  const logitsRows: number[] = [];
  slices.forEach(({ ids, from }, sequence) => {
    for (let i = 0; i < ids.length; i++) {
      if (wanted === 'all' || i === ids.length - 1) logitsRows.push(tokens.length);
      tokens.push(ids[i]!);
      positions.push(from + i);
      sequences.push(sequence);
    }
  });
  return {
    tokens: Int32Array.from(tokens),
    positions: Int32Array.from(positions),
    sequences: Int32Array.from(sequences),
    blockTables: slices.map((slice) => slice.table),
    logitsRows: Int32Array.from(logitsRows),
  };
}

/** A block table for a full-length sequence: `first`, `first + 1`, … */
export function tableFrom(backend: ModelBackend, first = 0): Int32Array {
  const { contextLength, blockSize } = backend.info;
  return Int32Array.from({ length: Math.ceil(contextLength / blockSize) }, (_, i) => first + i);
}

/** Logits of every prompt position, the prompt fed in chunks of `chunk` tokens. [ids.length][n_vocab] */
export async function promptLogits(
  backend: ModelBackend,
  ids: readonly number[],
  { chunk = ids.length, table = tableFrom(backend) }: { chunk?: number; table?: Int32Array } = {},
): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let from = 0; from < ids.length; from += chunk) {
    const logits = await backend.forward(stepOf([{ ids: ids.slice(from, from + chunk), from, table }], 'all'));
    // The next step may reuse its rows.
    rows.push(...logits.map((row) => row.slice()));
  }
  return rows;
}

/** The `count` most likely tokens in a row after the prompt. */
export async function greedy(backend: ModelBackend, prompt: readonly number[], count: number): Promise<number[]> {
  const sampler = createSampler({ temperature: 0 });
  const table = tableFrom(backend);
  const ids = [...prompt];
  for (let from = 0; ids.length < prompt.length + count; ) {
    const [logits] = await backend.forward(stepOf([{ ids: ids.slice(from), from, table }], 'last'));
    from = ids.length;
    ids.push(sampler.sample(logits!, { ids, generatedFrom: prompt.length }, from).token);
  }
  return ids.slice(prompt.length);
}
