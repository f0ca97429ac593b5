/**
 * Byte-pair encoding of one piece: repeatedly joins the adjacent pair with the best (lowest) merge rank, leftmost first
 * among equals (Sennrich, Haddow, Birch 2016). A linked list and a heap make it O(n log n), so that a megabyte without
 * a space costs a second, not hours.
 */

/** Every merge as (left id, right id) → rank, and the id each rank produces. */
export interface MergeTable {
  readonly ranks: PairRanks;
  readonly results: Int32Array;
}

/** Ids are below this, so that a pair of them is one exact number. */
export const MAX_ID = 1 << 20;

/** Ranks of pairs of ids, in flat arrays at most half full (open addressing): a Map of 50,000 such numbers takes several times the memory. */
export class PairRanks {
  /** `left * 2^20 + right`, or -1 where nothing is. */
  readonly #keys: Float64Array;
  readonly #ranks: Int32Array;

  /** @param count most pairs it will hold */
  constructor(count: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(8, 2 * count)));
    this.#keys = new Float64Array(size).fill(-1);
    this.#ranks = new Int32Array(size);
  }

  /** Where the pair is, or would be. */
  #place(left: number, right: number): number {
    const keys = this.#keys;
    const key = left * MAX_ID + right;
    const mask = keys.length - 1;
    const hash = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
    let place = (hash ^ (hash >>> 15)) & mask;
    while (keys[place] !== key && keys[place] !== -1) place = (place + 1) & mask;
    return place;
  }

  /** The first rank given to a pair stays. */
  add(left: number, right: number, rank: number): void {
    const place = this.#place(left, right);
    if (this.#keys[place] !== -1) return;
    this.#keys[place] = left * MAX_ID + right;
    this.#ranks[place] = rank;
  }

  /** -1 if the pair is never merged. */
  get(left: number, right: number): number {
    const place = this.#place(left, right);
    return this.#keys[place] === -1 ? -1 : this.#ranks[place]!;
  }
}

/** A binary min-heap of numbers over one growing array. */
class MinHeap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= item) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0];
    const item = items.pop();
    if (item === undefined || items.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (items[child]! >= item) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
    return top;
  }
}

/** Positions fit in 31 bits, ranks in 21: rank * 2^31 + position orders by rank, then by position, exactly. */
const POSITION_FACTOR = 2 ** 31;

/**
 * @param symbols [n] token id of each byte of the piece; overwritten
 * @returns the ids left after all merges
 */
export function mergeSymbols(symbols: Int32Array, table: MergeTable): Int32Array {
  const length = symbols.length;
  const next = new Int32Array(length);
  const previous = new Int32Array(length);
  const heap = new MinHeap();
  const rankAt = (left: number): number => {
    const right = next[left]!;
    if (right >= length) return -1;
    return table.ranks.get(symbols[left]!, symbols[right]!);
  };
  const offer = (left: number): void => {
    const rank = rankAt(left);
    if (rank >= 0) heap.push(rank * POSITION_FACTOR + left);
  };
  for (let i = 0; i < length; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  for (let i = 0; i + 1 < length; i++) offer(i);

  for (let item = heap.pop(); item !== undefined; item = heap.pop()) {
    const rank = Math.floor(item / POSITION_FACTOR);
    const left = item - rank * POSITION_FACTOR;
    // An entry goes stale when either of its symbols has merged since; its pair then no longer has this rank.
    if (symbols[left] === -1 || rankAt(left) !== rank) continue;
    const right = next[left]!;
    symbols[left] = table.results[rank]!;
    symbols[right] = -1;
    next[left] = next[right]!;
    if (next[left]! < length) previous[next[left]!] = left;
    if (previous[left]! >= 0) offer(previous[left]!);
    offer(left);
  }
  return symbols.filter((symbol) => symbol !== -1);
}
