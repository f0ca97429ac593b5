/**
 * Which blocks of the KV cache are free, and which hold what. Knows numbers and keys only; who may have how many is decided by the scheduler.
 * A block whose contents are known by a key can be held by several sequences, and stays known when nobody holds it, until its room is needed:
 * then the one that was let go longest ago is forgotten first.
 */
export class BlockPool {
  readonly blockSize: number;
  readonly blockCount: number;
  /** Free and unknown. A stack: the block freed last is warm in the processor's caches and is used first. */
  readonly #free: number[];
  /** Free but known, in the order in which they were let go. */
  readonly #idle = new Set<number>();
  /** How many sequences hold each block. */
  readonly #holders: Uint32Array;
  readonly #keys: (string | undefined)[];
  readonly #byKey = new Map<string, number>();

  /** @param blockSize positions per block */
  constructor(blockSize: number, blockCount: number) {
    this.blockSize = blockSize;
    this.blockCount = blockCount;
    this.#free = Array.from({ length: blockCount }, (_, i) => blockCount - 1 - i);
    this.#holders = new Uint32Array(blockCount);
    this.#keys = new Array<string | undefined>(blockCount).fill(undefined);
  }

  /** Blocks that nobody holds, known ones too. */
  get freeCount(): number {
    return this.#free.length + this.#idle.size;
  }

  get usedCount(): number {
    return this.blockCount - this.freeCount;
  }

  /** Blocks that `positions` positions need. */
  blocksFor(positions: number): number {
    return Math.ceil(positions / this.blockSize);
  }

  /** Throws RangeError when fewer than `count` are free: callers look first. */
  allocate(count: number): number[] {
    if (count > this.freeCount) throw new RangeError(`${count} KV blocks wanted, ${this.freeCount} free`);
    while (this.#free.length < count) this.#forgetOldest();
    const blocks = count === 0 ? [] : this.#free.splice(-count).reverse();
    for (const block of blocks) this.#holders[block] = 1;
    return blocks;
  }

  /** The blocks known by these keys, as far as there is one for each key in a row; the caller holds them from now on. */
  claim(keys: readonly string[]): number[] {
    const blocks: number[] = [];
    for (const key of keys) {
      const block = this.#byKey.get(key);
      if (block === undefined) break;
      this.#idle.delete(block);
      this.#holders[block]!++;
      blocks.push(block);
    }
    return blocks;
  }

  /** Says what a held block holds from now on. It must not be written to any more. A key that is known already stays with its block. */
  publish(block: number, key: string): void {
    if (this.#byKey.has(key) || this.#keys[block] !== undefined) return;
    this.#keys[block] = key;
    this.#byKey.set(key, block);
  }

  /** Lets go of a sequence's blocks. The last are forgotten first: a beginning is of use without its end. */
  release(blocks: readonly number[]): void {
    for (const block of blocks.toReversed()) {
      if (--this.#holders[block]! > 0) continue;
      if (this.#keys[block] === undefined) this.#free.push(block);
      else this.#idle.add(block);
    }
  }

  #forgetOldest(): void {
    const [block] = this.#idle;
    this.#idle.delete(block!);
    this.#byKey.delete(this.#keys[block!]!);
    this.#keys[block!] = undefined;
    this.#free.push(block!);
  }
}
