/** However bytes are cut, the decoded pieces joined equal decoding everything at once, and no piece ends in half a character. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Utf8StreamDecoder } from './utf8-stream-decoder.ts';

const SEED = 5;

function decodeWhole(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

function decodeInPieces(bytes: Uint8Array, cuts: readonly number[]): string[] {
  const decoder = new Utf8StreamDecoder();
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const pieces = ends.map((end, i) => decoder.write(bytes.subarray(i === 0 ? 0 : ends[i - 1]!, end)));
  return [...pieces, decoder.flush()];
}

/** Bytes in which unfinished, overlong and misplaced sequences are common. */
const awkwardBytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(0x41, 0x80, 0xbf, 0xc1, 0xc3, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0x9f, 0xa0, 0x90, 0x8f),
      fc.nat(255),
    ),
  )
  .map((bytes) => Uint8Array.from(bytes));

describe(`Utf8StreamDecoder (seed ${SEED})`, () => {
  it('joined pieces equal the whole, for arbitrary bytes and cuts', () => {
    fc.assert(
      fc.property(awkwardBytes, fc.array(fc.nat(1000), { maxLength: 12 }), (bytes, cuts) => {
        expect(decodeInPieces(bytes, cuts).join('')).toBe(decodeWhole(bytes));
      }),
      { seed: SEED, numRuns: 20_000 },
    );
  });

  it('one byte at a time, valid text comes out in whole characters and nothing is left to flush', () => {
    const text = '\ufeffaé日👩‍👧𐍈\u0301';
    const bytes = new TextEncoder().encode(text);
    const pieces = decodeInPieces(bytes, Array.from(bytes.keys()));
    for (const piece of pieces) expect(piece.isWellFormed()).toBe(true);
    expect(pieces.join('')).toBe(text);
    expect(pieces.at(-1)).toBe('');
    expect(pieces.filter((piece) => piece !== '').length).toBe([...text].length);
  });

  it('holds back at most three bytes: a fourth settles any character', () => {
    const decoder = new Utf8StreamDecoder();
    expect(decoder.write(Uint8Array.of(0xf0, 0x9f, 0x91))).toBe('');
    expect(decoder.write(Uint8Array.of(0xa9))).toBe('👩');
  });

  it('flushes an unfinished character as one U+FFFD and starts anew', () => {
    const decoder = new Utf8StreamDecoder();
    decoder.write(Uint8Array.of(0xe2, 0x82));
    expect(decoder.flush()).toBe('\ufffd');
    expect(decoder.write(Uint8Array.of(0x41))).toBe('A');
    expect(decoder.flush()).toBe('');
  });
});
