/**
 * Text as symbols to be matched: folded code points, runs of white space as one space, and a mark wherever a word begins or ends. With the
 * mark, "as a whole word" needs no looking around: it is a symbol like the others.
 */
import { foldCharacter } from '../fold.ts';

/** Stands between a character of a word and one that isn't, also at the text's ends. No code point. */
const wordEdge = -1;
const space = 0x20;

const wordCharacter = /^[\p{L}\p{N}_]$/u;
const cacheSize = 4096;
const wordness = new Map<string, boolean>();

function isWordCharacter(character: string): boolean {
  let known = wordness.get(character);
  if (known === undefined) {
    known = wordCharacter.test(character);
    if (wordness.size < cacheSize) wordness.set(character, known);
  }
  return known;
}

export class SymbolStream {
  #inWord = false;
  #afterSpace = false;

  /** @returns the symbols of one more code point; often one, none for what is invisible or a repeated space */
  push(character: string): number[] {
    const symbols: number[] = [];
    for (const folded of foldCharacter(character)) {
      const codePoint = folded.codePointAt(0)!;
      if (codePoint === space && this.#afterSpace) continue;
      this.#afterSpace = codePoint === space;
      const inWord = isWordCharacter(folded);
      if (inWord !== this.#inWord) symbols.push(wordEdge);
      this.#inWord = inWord;
      symbols.push(codePoint);
    }
    return symbols;
  }

  /** @returns the symbol of the text's end, if it has one */
  end(): number[] {
    return this.#inWord ? [wordEdge] : [];
  }
}

/** A phrase as symbols: with its edges where only a whole word counts. Empty when nothing of it is visible. */
export function phraseSymbols(phrase: string, whole: boolean): number[] {
  const stream = new SymbolStream();
  const symbols = [...phrase.trim()].flatMap((character) => stream.push(character));
  if (whole) return [...symbols, ...stream.end()];
  return symbols[0] === wordEdge ? symbols.slice(1) : symbols;
}
