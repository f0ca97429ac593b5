/**
 * GPT-2's byte-level BPE. `encode` and `decode` agree with Hugging Face's GPT-2 tokenizer on all of Unicode, and decode
 * inverts encode for every well-formed text. A lone surrogate, which UTF-8 cannot express, is read as U+FFFD.
 * Special tokens are never produced from text unless the caller allows it, so a user cannot end a prompt early by
 * typing `<|endoftext|>` (Hugging Face's tokenizer does recognise it in text: pass `allowSpecial` for that).
 */
import { ModelError } from '../errors.ts';
import { bytesOfToken, characterOfByte } from './byte-alphabet.ts';
import { MAX_ID, type MergeTable, mergeSymbols, PairRanks } from './merge.ts';
import { forEachPiece } from './pre-tokenize.ts';

export const END_OF_TEXT = '<|endoftext|>';

export interface EncodeOptions {
  /** Recognise special tokens written out in the text. Off by default. */
  readonly allowSpecial?: boolean;
}

export interface Tokenizer {
  /** Largest token id + 1. */
  readonly vocabSize: number;
  /** Id of `<|endoftext|>`; null if the vocabulary has none. */
  readonly endOfTextId: number | null;
  encode(text: string, options?: EncodeOptions): number[];
  /** Malformed UTF-8 becomes U+FFFD. Throws ModelError on an id outside the vocabulary. */
  decode(ids: Iterable<number>): string;
  /** The bytes one token stands for. Throws ModelError on an id outside the vocabulary. */
  tokenBytes(id: number): Uint8Array;
}

const MAX_CACHED_PIECES = 50_000;
/** V8 keeps longer substrings as views that would hold the whole text they were cut from in memory. */
const MAX_CACHED_LENGTH = 12;
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function parseVocabulary(json: string): Map<string, number> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new ModelError(`vocab.json: not valid JSON (${(error as Error).message})`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new ModelError('vocab.json: must hold an object of token → id');
  }
  const seen = new Set<unknown>();
  const vocabulary = new Map<string, number>();
  for (const [token, id] of Object.entries(parsed as Record<string, unknown>)) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= MAX_ID || seen.has(id)) {
      throw new ModelError(
        `vocab.json: token ${JSON.stringify(token)} has the bad or repeated id ${JSON.stringify(id)}`,
      );
    }
    seen.add(id);
    vocabulary.set(token, id);
  }
  return vocabulary;
}

function parseMerges(text: string, vocabulary: ReadonlyMap<string, number>): MergeTable {
  const lines = text.split('\n');
  const ranks = new PairRanks(lines.length);
  const results: number[] = [];
  lines.forEach((line, index) => {
    const trimmed = line.replace(/\r$/, '');
    if (trimmed === '' || (index === 0 && trimmed.startsWith('#version'))) return;
    const [left = '', right = '', ...rest] = trimmed.split(' ');
    const leftId = vocabulary.get(left);
    const rightId = vocabulary.get(right);
    const result = vocabulary.get(left + right);
    if (rest.length > 0 || leftId === undefined || rightId === undefined || result === undefined) {
      throw new ModelError(`merges.txt: line ${index + 1} is not a pair of tokens of vocab.json`);
    }
    ranks.add(leftId, rightId, results.length);
    results.push(result);
  });
  return { ranks, results: Int32Array.from(results) };
}

function byteSymbols(vocabulary: ReadonlyMap<string, number>): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const id = vocabulary.get(characterOfByte(byte));
    if (id === undefined) throw new ModelError(`vocab.json: no token for the single byte ${byte}`);
    return id;
  });
}

/** The bytes of every token one after the other, since 50,000 small arrays would take ten times the memory. */
class TokenBytes {
  readonly #bytes: Uint8Array;
  /** By id: where its bytes begin, -1 if no token has it, and where they end. */
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;

  constructor(vocabulary: ReadonlyMap<string, number>) {
    const ids = [...vocabulary.values()].reduce((most, id) => Math.max(most, id + 1), 0);
    this.#starts = new Int32Array(ids).fill(-1);
    this.#ends = new Int32Array(ids);
    const parts: Uint8Array[] = [];
    let end = 0;
    for (const [token, id] of vocabulary) {
      const bytes = token === END_OF_TEXT ? utf8.encode(token) : bytesOfToken(token);
      parts.push(bytes);
      this.#starts[id] = end;
      end += bytes.length;
      this.#ends[id] = end;
    }
    this.#bytes = Uint8Array.from(Buffer.concat(parts));
  }

  /** Largest id + 1. */
  get size(): number {
    return this.#starts.length;
  }

  of(id: number): Uint8Array | undefined {
    const start = this.#starts[id] ?? -1;
    return start < 0 ? undefined : this.#bytes.subarray(start, this.#ends[id]);
  }
}

class ByteLevelBpe implements Tokenizer {
  readonly vocabSize: number;
  readonly endOfTextId: number | null;
  readonly #merges: MergeTable;
  readonly #byteSymbols: Int32Array;
  readonly #tokenBytes: TokenBytes;
  /** Pieces repeat (Zipf): remembering them saves most of the work. Emptied when full, so it stays bounded. */
  readonly #cache = new Map<string, Int32Array>();

  constructor(vocabJson: string, mergesText: string) {
    const vocabulary = parseVocabulary(vocabJson);
    this.#merges = parseMerges(mergesText, vocabulary);
    this.#byteSymbols = byteSymbols(vocabulary);
    this.endOfTextId = vocabulary.get(END_OF_TEXT) ?? null;
    this.#tokenBytes = new TokenBytes(vocabulary);
    this.vocabSize = this.#tokenBytes.size;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const ids: number[] = [];
    const segments = options.allowSpecial && this.endOfTextId !== null ? text.split(END_OF_TEXT) : [text];
    segments.forEach((segment, index) => {
      if (index > 0) ids.push(this.endOfTextId!);
      forEachPiece(segment.toWellFormed(), (piece) => {
        for (const id of this.#encodePiece(piece)) ids.push(id);
      });
    });
    return ids;
  }

  decode(ids: Iterable<number>): string {
    const parts = Array.from(ids, (id) => this.tokenBytes(id));
    return fromUtf8.decode(Buffer.concat(parts));
  }

  tokenBytes(id: number): Uint8Array {
    const bytes = this.#tokenBytes.of(id);
    if (bytes === undefined)
      throw new ModelError(`token id ${id} is not in the vocabulary of ${this.vocabSize} tokens`);
    return bytes;
  }

  #encodePiece(piece: string): Int32Array {
    const cached = this.#cache.get(piece);
    if (cached !== undefined) return cached;
    const symbols = Int32Array.from(utf8.encode(piece), (byte) => this.#byteSymbols[byte]!);
    const ids = mergeSymbols(symbols, this.#merges);
    if (piece.length <= MAX_CACHED_LENGTH) {
      if (this.#cache.size >= MAX_CACHED_PIECES) this.#cache.clear();
      this.#cache.set(piece, ids);
    }
    return ids;
  }
}

/**
 * @param vocabJson content of vocab.json: token → id
 * @param mergesText content of merges.txt: one pair per line, best first
 * @throws ModelError naming the file and the line or token that is wrong
 */
export function createTokenizer(vocabJson: string, mergesText: string): Tokenizer {
  return new ByteLevelBpe(vocabJson, mergesText);
}
