/**
 * GPT-2's byte alphabet: each of the 256 bytes is written as one printable character in vocab.json and merges.txt
 * (Radford et al. 2019, `encoder.py`, `bytes_to_unicode`). Printable Latin-1 stands for itself; the other bytes take,
 * in order, the code points from U+0100 on.
 */
import { ModelError } from '../errors.ts';

function isPrintableLatin1(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

const CHARACTER_OF_BYTE: string[] = [];
const BYTE_OF_CHARACTER = new Map<string, number>();

let next = 0x100;
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCodePoint(isPrintableLatin1(byte) ? byte : next++);
  CHARACTER_OF_BYTE.push(character);
  BYTE_OF_CHARACTER.set(character, byte);
}

/** The character that stands for a byte, 0–255. */
export function characterOfByte(byte: number): string {
  return CHARACTER_OF_BYTE[byte]!;
}

/**
 * The bytes a token of the vocabulary stands for.
 * @throws ModelError if the token uses a character outside the alphabet
 */
export function bytesOfToken(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTE_OF_CHARACTER.get(token[i]!);
    if (byte === undefined)
      throw new ModelError(`vocab.json: token ${JSON.stringify(token)} is not written in GPT-2's byte alphabet`);
    bytes[i] = byte;
  }
  return bytes;
}
