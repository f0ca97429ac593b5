/**
 * Checks a step, and turns it into tensors. A batch that breaks the port's contract would read or write foreign memory,
 * so everything the kernels use as an address is validated here.
 */
import type { StepBatch } from '@inkwell/ports';
import * as tf from '@tensorflow/tfjs-core';
import type { StepTensors } from './ops.ts';

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

/** [rows] block * blockSize + offset of each row's own position. */
export function slotsOf(batch: StepBatch, blockSize: number): Int32Array {
  return batch.positions.map((position, row) => {
    const block = batch.blockTables[batch.sequences[row]!]![Math.floor(position / blockSize)]!;
    return block * blockSize + (position % blockSize);
  });
}

/** The tables as one rectangle [tables, width]; the padding is never read. */
export function flatTables(tables: readonly Int32Array[]): { flat: Int32Array; width: number } {
  const width = Math.max(1, ...tables.map((table) => table.length));
  const flat = new Int32Array(tables.length * width);
  for (const [index, table] of tables.entries()) flat.set(table, index * width);
  return { flat, width };
}

/**
 * Call inside tf.tidy.
 * @param batch checked by checkStep
 */
export function stepTensors(batch: StepBatch, blockSize: number): StepTensors {
  const attended = batch.positions.reduce((sum, position) => sum + position + 1, 0);
  const { flat, width } = flatTables(batch.blockTables);
  return {
    tokens: tf.tensor1d(batch.tokens, 'int32'),
    positions: tf.tensor1d(batch.positions, 'int32'),
    sequences: tf.tensor1d(batch.sequences, 'int32'),
    slots: tf.tensor1d(slotsOf(batch, blockSize), 'int32'),
    tables: tf.tensor2d(flat, [batch.blockTables.length, width], 'int32'),
    meanLength: attended / batch.positions.length,
  };
}
