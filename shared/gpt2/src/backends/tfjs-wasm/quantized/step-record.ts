/**
 * Lays out one step of a quantised model in the heap: its inputs, the buffers it works in and the record that points to all of
 * them, in the order of assembly/quantized/plan.ts.
 */
import type { StepBatch } from '@inkwell/ports';
import type { Gpt2Config } from '../../../config.ts';
import { flatTables, slotsOf } from '../../step-inputs.ts';

const RECORD_WORDS = 32;

export interface StepSizes {
  readonly config: Gpt2Config;
  readonly threads: number;
  readonly blockSize: number;
  /** Scratch memory of one thread for tables of this width. */
  scratchBytes(tableWidth: number): number;
}

export interface StepPlaces {
  /** Bytes of everything, the logits last. */
  readonly bytes: number;
  /** Bytes from the start to the logits [logitsRows.length, vocab_size]. */
  readonly logits: number;
  /** Writes record and inputs at `address` of the heap. */
  write(heap: ArrayBufferLike, address: number): void;
}

/** Hands out places one after the other, each on a cache line, with room for a vector read beyond the end. */
class Arena {
  bytes = RECORD_WORDS * 4;

  words(count: number): number {
    const at = this.bytes;
    this.bytes = Math.ceil((at + count * 4 + 16) / 64) * 64;
    return at;
  }
}

/** @param batch checked by checkStep */
export function placeStep(batch: StepBatch, { config, threads, blockSize, scratchBytes }: StepSizes): StepPlaces {
  const { n_embd, n_inner, vocab_size } = config;
  const rows = batch.tokens.length;
  const { flat: tables, width: tableWidth } = flatTables(batch.blockTables);
  const inputs = [batch.tokens, batch.positions, batch.sequences, slotsOf(batch, blockSize), tables, batch.logitsRows];
  const perThread = scratchBytes(tableWidth);
  const deepest = Math.ceil(Math.max(n_embd, n_inner) / 4) * 4;
  const arena = new Arena();
  const inputAt = inputs.map((values) => arena.words(values.length));
  const x = arena.words(rows * n_embd);
  const qkv = arena.words(rows * 3 * n_embd);
  const attended = arena.words(rows * n_embd);
  const hidden = arena.words(rows * n_inner);
  const integers = arena.words((rows * deepest) / 2);
  const scales = arena.words(rows);
  const scratch = arena.words((threads * perThread) / 4);
  const logits = arena.words(batch.logitsRows.length * vocab_size);
  const attendedPositions = batch.positions.reduce((sum, position) => sum + position + 1, 0);
  return {
    bytes: arena.bytes,
    logits,
    write(heap, address) {
      const [tokens, positions, sequences, slots, tablesAt, selection] = inputAt.map((at) => address + at);
      // Prefill has many rows of one sequence, decoding one of each.
      const rowsFirst = rows > 2 * batch.blockTables.length ? 1 : 0;
      const meanLength = Math.ceil(attendedPositions / rows);
      const buffers = [x, qkv, attended, hidden, logits, integers, scales, scratch].map((at) => address + at);
      const record = [
        ...[rows, tokens, positions, sequences, slots, tablesAt, tableWidth, selection, batch.logitsRows.length],
        ...[meanLength, rowsFirst, ...buffers, perThread],
      ];
      new Uint32Array(heap, address, RECORD_WORDS).set(record as number[]);
      for (const [index, values] of inputs.entries()) {
        new Int32Array(heap, address + inputAt[index]!, values.length).set(values);
      }
    },
  };
}
