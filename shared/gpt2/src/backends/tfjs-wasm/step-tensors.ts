/** Turns a checked step into what the kernels read. */
import type { StepBatch } from '@inkwell/ports';
import * as tf from '@tensorflow/tfjs-core';
import { flatTables, slotsOf } from '../step-inputs.ts';
import type { StepTensors } from './ops.ts';

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
