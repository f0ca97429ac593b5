/** What the tokenizer promises beyond agreeing with the reference: totality, speed on any input, clear refusals. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { testData } from '../testing/paths.ts';
import { loadTokenizer } from './load-tokenizer.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const SEED = 11;
let tokenizer: Tokenizer;
let vocabJson: string;
let mergesText: string;

beforeAll(async () => {
  tokenizer = await loadTokenizer(testData('gpt2-vocab'));
  vocabJson = await readFile(testData('gpt2-vocab/vocab.json'), 'utf8');
  mergesText = await readFile(testData('gpt2-vocab/merges.txt'), 'utf8');
});

/** Byte-pair encoding as the paper defines it, one merge at a time: slow, and obviously right. */
function naiveMerge(word: string): number[] {
  const ranks = new Map(
    mergesText
      .split('\n')
      .slice(1)
      .map((line, rank) => [line, rank]),
  );
  const vocabulary = JSON.parse(vocabJson) as Record<string, number>;
  let symbols = [...word];
  for (;;) {
    let best = -1;
    let bestRank = Infinity;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Infinity;
      if (rank < bestRank) [best, bestRank] = [i, rank];
    }
    if (best < 0) return symbols.map((symbol) => vocabulary[symbol]!);
    symbols = [...symbols.slice(0, best), symbols[best]! + symbols[best + 1]!, ...symbols.slice(best + 2)];
  }
}

describe(`tokenizer (seed ${SEED})`, () => {
  it('decodes to the text it encoded, for any well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('merges as the definition does, repeated letters included', () => {
    const words = [
      'aaaaaaaaaaa',
      'bananananana',
      'wwwwww',
      'thethethe',
      'mississippi',
      'xyzzyxyzzy',
      'ssssssssssssssss',
    ];
    for (const word of words) expect(tokenizer.encode(word), word).toEqual(naiveMerge(word));
  });

  it('reads a lone surrogate as U+FFFD, as UTF-8 encoding does', () => {
    expect(tokenizer.encode('a\ud800b')).toEqual(tokenizer.encode('a\ufffdb'));
    expect(tokenizer.encode('\udc00')).toEqual(tokenizer.encode('\ufffd'));
  });

  it.each([
    ['one letter', 'a'.repeat(1_000_000)],
    ['ten letters', 'abcdefghij'.repeat(100_000)],
    ['spaces before a letter', `${' '.repeat(1_000_000)}x`],
    ['punctuation', '!?'.repeat(500_000)],
    ['letters outside the BMP', '\u{1d49c}'.repeat(250_000)],
  ])('encodes a megabyte of %s, without a break, in seconds', (_, text) => {
    const start = performance.now();
    expect(tokenizer.decode(tokenizer.encode(text)) === text).toBe(true);
    // A quadratic merge would need hours; the bound only has to tell the two apart on a busy machine.
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  it('makes the end-of-text token of text only when allowed', () => {
    expect(tokenizer.endOfTextId).toBe(50256);
    expect(tokenizer.encode('<|endoftext|>')).not.toContain(50256);
    expect(tokenizer.encode('a<|endoftext|>', { allowSpecial: true })).toEqual([64, 50256]);
    expect(tokenizer.decode([64, 50256])).toBe('a<|endoftext|>');
  });

  it('refuses ids outside the vocabulary by number', () => {
    for (const id of [50257, -1, 0.5]) expect(() => tokenizer.tokenBytes(id)).toThrow(`token id ${id} is not in`);
  });

  it('gives the bytes of every token, which joined are the text', () => {
    const text = 'naïve 日本 👩‍👧';
    const bytes = tokenizer.encode(text).map((id) => tokenizer.tokenBytes(id));
    expect(Buffer.concat(bytes).toString('utf8')).toBe(text);
  });
});

describe('a vocabulary that cannot be used is refused', () => {
  const withEntry = (token: string, id: unknown) => JSON.stringify({ ...JSON.parse(vocabJson), [token]: id });

  it.each([
    ['a repeated id', () => withEntry('zzzzz', 5), 'token "zzzzz" has the bad or repeated id 5'],
    ['a fractional id', () => withEntry('zzzzz', 5.5), 'token "zzzzz" has the bad or repeated id 5.5'],
    ['an array', () => '[]', 'must hold an object'],
    ['no JSON', () => '{', 'not valid JSON'],
    ['a token outside the byte alphabet', () => withEntry('日', 60000), 'token "日" is not written in'],
    ['no token for a byte', () => JSON.stringify({ a: 0 }), 'no token for the single byte 0'],
  ])('%s', (_, vocabulary, message) => {
    expect(() => createTokenizer(vocabulary(), '#version: 0.2\n')).toThrow(message);
  });

  it('a merge with three parts, by its line', () => {
    expect(() => createTokenizer(vocabJson, '#version: 0.2\na b\na b c\n')).toThrow('merges.txt: line 3');
  });
});
