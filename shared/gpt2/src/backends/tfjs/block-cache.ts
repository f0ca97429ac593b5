/**
 * The paged KV cache in tensors that cannot change: per layer and block the keys and values of the positions it holds so far. Writing a position
 * makes the block's tensors anew, sixteen rows at most; reading a sequence joins its blocks.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Past } from './plain-model.ts';

/** Rows [from, …) of `block` replaced by `rows`; what lies behind them stays. */
function splice(block: tf.Tensor2D | undefined, rows: tf.Tensor2D, from: number): tf.Tensor2D {
  if (block === undefined) return tf.clone(rows);
  const to = from + rows.shape[0];
  const parts = [
    ...(from > 0 ? [tf.slice(block, [0, 0], [from, -1])] : []),
    rows,
    ...(block.shape[0] > to ? [tf.slice(block, [to, 0], [block.shape[0] - to, -1])] : []),
  ];
  return parts.length === 1 ? tf.clone(rows) : tf.concat(parts);
}

export class BlockCache {
  readonly #blockSize: number;
  /** [layer][block] */
  readonly #blocks: (Past | undefined)[][];

  constructor(layers: number, blockSize: number, blockCount: number) {
    this.#blockSize = blockSize;
    this.#blocks = Array.from({ length: layers }, () => new Array<Past | undefined>(blockCount).fill(undefined));
  }

  /**
   * Stores the keys and values of consecutive positions of one sequence, all in one block.
   * @throws RangeError if an earlier position of the block was never stored
   */
  write(layer: number, block: number, offset: number, { keys, values }: Past): void {
    const blocks = this.#blocks[layer]!;
    const before = blocks[block];
    if (offset > (before?.keys.shape[0] ?? 0)) {
      throw new RangeError(`step batch: block ${block} lacks the positions before its ${offset}th`);
    }
    blocks[block] = tf.tidy(() => ({
      keys: tf.keep(splice(before?.keys, keys, offset)),
      values: tf.keep(splice(before?.values, values, offset)),
    }));
    tf.dispose([before?.keys, before?.values].filter((one) => one !== undefined));
  }

  /** The first `length` positions of the sequence with this block table: [length, n_embd] each. */
  read(layer: number, table: Int32Array, length: number): Past {
    const pasts = Array.from(table.subarray(0, Math.ceil(length / this.#blockSize)), (number) => {
      const block = this.#blocks[layer]![number];
      if (block === undefined) throw new RangeError(`step batch: block ${number} was never written`);
      return block;
    });
    const join = (part: keyof Past) => {
      const parts = pasts.map((past) => past[part]);
      return tf.slice(parts.length === 1 ? parts[0]! : tf.concat(parts), [0, 0], [length, -1]);
    };
    return { keys: join('keys'), values: join('values') };
  }

  dispose(): void {
    for (const past of this.#blocks.flat()) if (past !== undefined) tf.dispose([past.keys, past.values]);
  }
}
