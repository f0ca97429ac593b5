/**
 * A tiny deterministic language model for tests: logits are a hash of the sequence's tokens, which it really keeps in its KV blocks and
 * reads back from there. A wrong block table, a row forwarded too early or a recomputation cut short therefore changes the text.
 */
import type { ModelBackend, StepBatch } from '@inkwell/ports';

export interface HashBackendOptions {
  vocabSize: number;
  contextLength: number;
  blockSize: number;
  blockCount: number;
  /** Tokens that are ever likely. */
  alphabet: readonly number[];
}

export interface HashBackend extends ModelBackend {
  /** Steps computed so far. */
  readonly steps: number;
  /** The logits after `tokens`, computed without any cache: the definition. */
  logitsAfter(tokens: readonly number[]): Float32Array;
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ (value + 0x9e3779b9), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

export function createHashBackend(options: HashBackendOptions): HashBackend {
  const { vocabSize, contextLength, blockSize, blockCount, alphabet } = options;
  const cache = new Int32Array(blockSize * blockCount).fill(-1);
  let steps = 0;

  const logitsOfHash = (hash: number): Float32Array => {
    const logits = new Float32Array(vocabSize).fill(-30);
    for (const token of alphabet) logits[token] = (mix(mix(hash, token), 7) % 1000) / 200;
    return logits;
  };
  const slot = (table: Int32Array, position: number): number =>
    table[Math.floor(position / blockSize)]! * blockSize + (position % blockSize);

  return {
    info: {
      name: 'hash',
      device: 'test',
      threads: 1,
      quantization: 'none',
      kvCache: 'f32',
      blockSize,
      blockCount,
      vocabSize,
      contextLength,
    },
    get steps() {
      return steps;
    },
    logitsAfter: (tokens) => logitsOfHash(tokens.reduce(mix, 1)),
    async forward(batch: StepBatch) {
      steps++;
      batch.tokens.forEach((token, row) => {
        cache[slot(batch.blockTables[batch.sequences[row]!]!, batch.positions[row]!)] = token;
      });
      return Array.from(batch.logitsRows, (row) => {
        const table = batch.blockTables[batch.sequences[row]!]!;
        let hash = 1;
        for (let position = 0; position <= batch.positions[row]!; position++) {
          hash = mix(hash, cache[slot(table, position)]!);
        }
        return logitsOfHash(hash);
      });
    },
    async dispose() {},
  };
}
