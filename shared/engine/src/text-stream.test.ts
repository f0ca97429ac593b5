import { fileURLToPath } from 'node:url';
import { loadTokenizer } from '@inkwell/gpt2';
import { describe, expect, it } from 'vitest';
import { TextStream } from './text-stream.ts';

const tokenizer = await loadTokenizer(fileURLToPath(new URL('../../gpt2/test-data/gpt2-vocab', import.meta.url)));
const byteToken = new Map<number, number>();
for (let id = 0; id < 256; id++) byteToken.set(tokenizer.tokenBytes(id)[0]!, id);

/** Shows bytes one token each; answers the text and every token's offset. */
function show(bytes: readonly number[]): { text: string; offsets: number[] } {
  const stream = new TextStream(tokenizer, { stop: [], endToken: null, maxTokens: bytes.length, echo: [] });
  const shown = bytes.map((byte) => stream.push(byteToken.get(byte)!));
  return { text: shown.map(({ delta }) => delta).join(''), offsets: shown.map(({ offset }) => offset) };
}

describe('the offset of a token', () => {
  it.each([
    ['of one that continues a character is the character’s', [0x61, 0xe2, 0x82, 0xac, 0x62], 'a€b', [0, 1, 1, 1, 2]],
    ['of one behind a character that was never finished is behind U+FFFD', [0xe2, 0x78], '\uFFFDx', [0, 1]],
    ['of a lead byte behind an unfinished character too', [0xe2, 0xc3, 0xa9], '\uFFFDé', [0, 1, 1]],
    ['of a continuation that does not fit too', [0xe0, 0x80, 0x79], '\uFFFD\uFFFDy', [0, 1, 2]],
    ['of one that completes U+FFFD itself is that character’s', [0xef, 0xbf, 0xbd, 0x7a], '\uFFFDz', [0, 0, 0, 1]],
  ])('%s', (_, bytes, text, offsets) => {
    expect(show(bytes)).toEqual({ text, offsets });
  });
});
