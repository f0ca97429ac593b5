/**
 * Checks a step against what a model and its cache have. A batch that breaks the port's contract would make a backend read or write what is not its
 * own, so everything it uses as an index is validated here first.
 */
import type { StepBatch } from '@inkwell/ports';

export interface StepLimits {
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly blockSize: number;
  readonly blockCount: number;
}

function refuse(problem: string): never {
  throw new RangeError(`step batch: ${problem}`);
}

function checkRow(batch: StepBatch, row: number, limits: StepLimits): void {
  const token = batch.tokens[row]!;
  const position = batch.positions[row]!;
  const table = batch.blockTables[batch.sequences[row]!];
  if (token < 0 || token >= limits.vocabSize)
    refuse(`row ${row} holds token ${token}, the vocabulary ends at ${limits.vocabSize - 1}`);
  if (position < 0 || position >= limits.contextLength)
    refuse(`row ${row} is at position ${position} of ${limits.contextLength}`);
  if (table === undefined) refuse(`row ${row} belongs to sequence ${batch.sequences[row]}, which has no block table`);
  if (Math.floor(position / limits.blockSize) >= table.length)
    refuse(`row ${row} is at position ${position}, beyond its block table`);
}

/** @throws RangeError if the batch does not fit the model or the cache */
export function checkStep(batch: StepBatch, limits: StepLimits): void {
  const rows = batch.tokens.length;
  if (rows === 0 || batch.positions.length !== rows || batch.sequences.length !== rows) {
    refuse('tokens, positions and sequences must have the same, non-zero length');
  }
  for (const table of batch.blockTables) {
    for (const block of table) if (block < 0 || block >= limits.blockCount) refuse(`block ${block} does not exist`);
  }
  for (let row = 0; row < rows; row++) checkRow(batch, row, limits);
  for (const row of batch.logitsRows) if (row < 0 || row >= rows) refuse(`logits were asked of row ${row} of ${rows}`);
}
