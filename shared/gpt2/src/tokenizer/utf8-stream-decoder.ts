/**
 * Decodes UTF-8 that arrives in arbitrary slices, as tokens do. It never gives out part of a character, holds back at
 * most three bytes, and the concatenation of its output equals decoding all bytes at once: malformed bytes become
 * U+FFFD by the "maximal subpart" practice (Unicode 17, section 3.9; WHATWG Encoding, UTF-8 decoder).
 */

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** How many bytes the sequence that `lead` begins should have; 0 if none can begin with it. */
function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/** Whether `second` may follow `lead` (Unicode 17, table 3-7: excludes overlong forms, surrogates, > U+10FFFF). */
function isValidSecond(lead: number, second: number): boolean {
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return second >= low && second <= high;
}

/** Length of the unfinished but so far valid character at the end of `bytes`: 0 to 3. */
function unfinishedLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const lead = bytes[bytes.length - back]!;
    if (lead >= 0x80 && lead <= 0xbf) continue;
    if (sequenceLength(lead) <= back) return 0;
    return back === 1 || isValidSecond(lead, bytes[bytes.length - back + 1]!) ? back : 0;
  }
  return 0;
}

const none = new Uint8Array(0);
/** What most tokens are: a word or a part of one. */
const mostAscii = 16;

/** The text of a few bytes that are all ASCII; undefined for any others. */
function shortAscii(bytes: Uint8Array): string | undefined {
  const { length } = bytes;
  if (length > mostAscii) return undefined;
  let text = '';
  for (let i = 0; i < length; i++) {
    const byte = bytes[i]!;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

export class Utf8StreamDecoder {
  #pending: Uint8Array = none;

  /** Whether a character has begun and waits for its other bytes. */
  get midCharacter(): boolean {
    return this.#pending.length > 0;
  }

  /** Text completed by these bytes; '' while a character is unfinished. */
  write(bytes: Uint8Array): string {
    const text = this.midCharacter ? undefined : shortAscii(bytes);
    return text ?? this.#decode(bytes);
  }

  #decode(bytes: Uint8Array): string {
    const joined = new Uint8Array(this.#pending.length + bytes.length);
    joined.set(this.#pending);
    joined.set(bytes, this.#pending.length);
    const complete = joined.length - unfinishedLength(joined);
    this.#pending = joined.slice(complete);
    return decoder.decode(joined.subarray(0, complete));
  }

  /** Ends the text: an unfinished character becomes U+FFFD. The decoder can then be used anew. */
  flush(): string {
    if (!this.midCharacter) return '';
    const rest = decoder.decode(this.#pending);
    this.#pending = none;
    return rest;
  }
}
