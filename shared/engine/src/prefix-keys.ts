/**
 * Names for the contents of KV blocks. A block's keys and values depend on all tokens up to its end, so its key is a hash over them, chained
 * from block to block and begun with the scope: what one tenant computed is never found by another, not even by how fast an answer comes.
 */
import { createHash } from 'node:crypto';

export class PrefixKeys {
  readonly #scope: string;
  readonly #blockSize: number;
  readonly #keys: string[] = [];

  constructor(scope: string, blockSize: number) {
    this.#scope = scope;
    this.#blockSize = blockSize;
  }

  /** Keys of the first `count` blocks of a sequence that only grows. `tokens` must fill them. */
  of(tokens: readonly number[], count: number): readonly string[] {
    while (this.#keys.length < count) {
      const start = this.#keys.length * this.#blockSize;
      const block = Int32Array.from(tokens.slice(start, start + this.#blockSize));
      const before = this.#keys.at(-1) ?? `scope ${this.#scope}`;
      this.#keys.push(createHash('sha256').update(`${before}\n`).update(block).digest('base64'));
    }
    return this.#keys.slice(0, count);
  }
}
