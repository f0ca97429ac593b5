/** Turns a checked step into what the kernels read. */
import type { StepBatch } from '@inkwell/ports';
import * as tf from '@tensorflow/tfjs-core';
import type { StepTensors } from './ops.ts';

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
