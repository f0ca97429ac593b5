/** A checked step as kernels read it: places in the cache instead of block tables of their own. */
import type { StepBatch } from '@inkwell/ports';

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
