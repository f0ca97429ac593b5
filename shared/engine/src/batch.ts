/** Lays the scheduler's work out as the ragged rows a backend computes, and remembers whose each wanted logits row is. */
import type { StepBatch } from '@inkwell/ports';
import type { Work } from './scheduler.ts';
import type { Sequence } from './sequence.ts';

/** Where the logits that follow a position go. */
export interface LogitsTarget {
  readonly sequence: Sequence;
  /** The row's position: its logits are of the token at `position` + 1. */
  readonly position: number;
  /** The token the row was computed with; a drafted one may turn out not to be the text's. */
  readonly token: number;
}

export interface LaidOutStep {
  readonly batch: StepBatch;
  /** One per entry of `batch.logitsRows`. */
  readonly targets: LogitsTarget[];
}

export function layOut(work: readonly Work[]): LaidOutStep {
  const rows = work.reduce((sum, one) => sum + one.count + one.draft.length, 0);
  const tokens = new Int32Array(rows);
  const positions = new Int32Array(rows);
  const sequences = new Int32Array(rows);
  const logitsRows: number[] = [];
  const targets: LogitsTarget[] = [];
  let row = 0;
  work.forEach(({ sequence, from, count, draft }, index) => {
    for (let position = from; position < from + count + draft.length; position++, row++) {
      const token = sequence.tokens[position] ?? draft[position - sequence.tokens.length]!;
      tokens[row] = token;
      positions[row] = position;
      sequences[row] = index;
      const draws = position >= sequence.tokens.length - 1;
      if (!draws && position < sequence.logitsFrom) continue;
      logitsRows.push(row);
      targets.push({ sequence, position, token });
    }
  });
  const blockTables = work.map((one) => Int32Array.from(one.sequence.blocks));
  return { batch: { tokens, positions, sequences, blockTables, logitsRows: Int32Array.from(logitsRows) }, targets };
}
