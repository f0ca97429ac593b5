/**
 * Keeps banned phrases from leaving in text that arrives in pieces: what could still become one is held back, everything else is given out. What
 * is given out is a pure function of the text so far, however it was cut. The phrase that is complete first counts, of those complete
 * at the same place the longest.
 */
import type { OutputFilter } from '@inkwell/contracts';
import { automatonOf, type PhraseNode, step } from './phrase-automaton.ts';
import { SymbolStream } from './symbols.ts';

export interface Filtered {
  /** Text that is now safe to show. */
  text: string;
  /** The rule whose phrase was found; the text ends before the phrase, and nothing may follow. */
  rule: string | null;
}

const highSurrogate = /[\ud800-\udbff]$/;

export class PhraseFilter {
  readonly #symbols = new SymbolStream();
  #node: PhraseNode;
  /** Not yet given out. */
  #held = '';
  /** Where `#held` begins in the whole text, in UTF-16 units. */
  #heldFrom = 0;
  /** How much of the whole text has been read. */
  #read = 0;
  /** Where the characters of the last symbols begin; at least as many as the node is deep. */
  #origins: number[] = [];

  constructor(filter: OutputFilter) {
    this.#node = automatonOf(filter);
  }

  write(text: string): Filtered {
    this.#held += text;
    const unread = this.#held.slice(this.#read - this.#heldFrom);
    // Half a character says nothing yet.
    for (const character of highSurrogate.test(unread) ? unread.slice(0, -1) : unread) {
      const found = this.#advance(this.#symbols.push(character));
      if (found !== null) return found;
      this.#read += character.length;
    }
    return { text: this.#release(this.#safeUntil()), rule: null };
  }

  /** The text ends here. Its end may be what completes a whole word. */
  flush(): Filtered {
    return this.#advance(this.#symbols.end()) ?? { text: this.#release(Number.POSITIVE_INFINITY), rule: null };
  }

  #advance(symbols: readonly number[]): Filtered | null {
    for (const symbol of symbols) {
      this.#node = step(this.#node, symbol);
      this.#origins.push(this.#read);
      const { match } = this.#node;
      if (match !== null) return { text: this.#release(this.#origins.at(-match.length)!), rule: match.rule };
    }
    return null;
  }

  #safeUntil(): number {
    const { depth } = this.#node;
    this.#origins = depth === 0 ? [] : this.#origins.slice(-depth);
    return this.#origins[0] ?? this.#read;
  }

  #release(until: number): string {
    const text = this.#held.slice(0, until - this.#heldFrom);
    this.#held = this.#held.slice(text.length);
    this.#heldFrom += text.length;
    return text;
  }
}

/** The rule that bans something in a whole text, or null. */
export function findBanned(filter: OutputFilter, text: string): string | null {
  const phrases = new PhraseFilter(filter);
  return phrases.write(text).rule ?? phrases.flush().rule;
}
