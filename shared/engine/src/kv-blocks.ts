/**
 * Which blocks of the KV cache are free. Knows numbers only; what lies in a block, and who may have how many, is decided by the scheduler.
 */
export class BlockPool {
  readonly blockSize: number;
  readonly blockCount: number;
  /** A stack: the block freed last is warm in the processor's caches and is used first. */
  readonly #free: number[];

  /** @param blockSize positions per block */
  constructor(blockSize: number, blockCount: number) {
    this.blockSize = blockSize;
    this.blockCount = blockCount;
    this.#free = Array.from({ length: blockCount }, (_, i) => blockCount - 1 - i);
  }

  get freeCount(): number {
    return this.#free.length;
  }

  get usedCount(): number {
    return this.blockCount - this.#free.length;
  }

  /** Blocks that `positions` positions need. */
  blocksFor(positions: number): number {
    return Math.ceil(positions / this.blockSize);
  }

  /** Throws RangeError when fewer than `count` are free: callers look first. */
  allocate(count: number): number[] {
    if (count > this.#free.length) throw new RangeError(`${count} KV blocks wanted, ${this.#free.length} free`);
    return count === 0 ? [] : this.#free.splice(-count).reverse();
  }

  release(blocks: readonly number[]): void {
    for (const block of blocks) this.#free.push(block);
  }
}
