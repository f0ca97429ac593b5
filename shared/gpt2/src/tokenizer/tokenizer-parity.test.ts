/** Our BPE against Hugging Face's GPT-2 tokenizer, on 10,000 strings of all of Unicode (parity/make_fixtures.py). */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { testData } from '../testing/paths.ts';
import { loadTokenizer } from './load-tokenizer.ts';
import { forEachPiece } from './pre-tokenize.ts';
import type { Tokenizer } from './tokenizer.ts';

interface Fixture {
  readonly encode: [text: string, ids: number[]][];
  readonly special: [text: string, ids: number[]][];
  readonly decode: [ids: number[], text: string][];
  /** Letter, Number, space or other, for each code point, run-length coded. */
  readonly classes: (string | number)[];
}

describe('tokenizer parity with transformers', () => {
  let fixture: Fixture;
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    fixture = JSON.parse(gunzipSync(await readFile(testData('parity/tokenizer.json.gz'))).toString());
    tokenizer = await loadTokenizer(testData('gpt2-vocab'));
  });

  it('encodes every string to the same ids', () => {
    expect(fixture.encode.length).toBe(10_000);
    const different = fixture.encode.filter(([text, ids]) => tokenizer.encode(text).join() !== ids.join());
    expect(different.map(([text]) => text)).toEqual([]);
  });

  it('puts every code point of Unicode in the same class', () => {
    const pieces = (text: string) => {
      let count = 0;
      forEachPiece(text, () => count++);
      return count;
    };
    const classOf = (character: string) =>
      pieces(`a${character}`) === 1
        ? 'L'
        : pieces(`1${character}`) === 1
          ? 'N'
          : pieces(`!${character}`) === 1
            ? 'o'
            : 's';
    let code = 0;
    for (let run = 0; run < fixture.classes.length; run += 2) {
      const [expected, length] = fixture.classes.slice(run, run + 2) as [string, number];
      for (const end = code + length; code < end; code++) {
        if (expected !== '-' && classOf(String.fromCodePoint(code)) !== expected) {
          expect.fail(`U+${code.toString(16)} should be in class ${expected}`);
        }
      }
    }
    expect(code).toBe(0x110000);
  });

  it('decodes what it encoded to the same string', () => {
    const different = fixture.encode.filter(([text, ids]) => tokenizer.decode(ids) !== text);
    expect(different).toEqual([]);
  });

  it('recognises special tokens as Hugging Face does, when allowed', () => {
    for (const [text, ids] of fixture.special) {
      expect(tokenizer.encode(text, { allowSpecial: true }), text).toEqual(ids);
      expect(tokenizer.encode(text), text).not.toContain(tokenizer.endOfTextId);
    }
  });

  it('decodes arbitrary ids, broken characters included, to the same string', () => {
    expect(fixture.decode.length).toBe(500);
    for (const [ids, text] of fixture.decode) expect(tokenizer.decode(ids), `ids ${ids}`).toBe(text);
  });
});
