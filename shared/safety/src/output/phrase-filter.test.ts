import type { OutputFilter } from '@inkwell/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldText } from '../fold.ts';
import { findBanned, PhraseFilter } from './phrase-filter.ts';

let versions = 0;
function filterOf(phrases: readonly string[], whole = false): OutputFilter {
  versions += 1;
  const all = phrases.map((text, i) => ({ rule: `rule-${i}`, text, whole }));
  return { version: `test-${versions}`, phrases: all, replacement: '[…]' };
}

/** Everything that is shown of the pieces, and the rule that ended it. */
function show(filter: OutputFilter, pieces: readonly string[]): { text: string; rule: string | null } {
  const phrases = new PhraseFilter(filter);
  let text = '';
  for (const piece of pieces) {
    const shown = phrases.write(piece);
    text += shown.text;
    if (shown.rule !== null) return { text, rule: shown.rule };
  }
  const rest = phrases.flush();
  return { text: text + rest.text, rule: rest.rule };
}

const isWord = (character: string | undefined) => character !== undefined && /[\p{L}\p{N}_]/u.test(character);

/** By definition, for plain letters and spaces: where the phrase that is complete first begins, the longest of those that end together. */
function firstBanned(text: string, phrases: readonly string[], whole: boolean): number | null {
  const starts: number[] = [];
  for (let end = 1; end <= text.length && starts.length === 0; end++) {
    for (const phrase of phrases) {
      const start = end - phrase.length;
      if (start < 0 || text.slice(start, end) !== phrase) continue;
      const edges = !isWord(text[start - 1]) && !isWord(text[end]);
      if (!whole || edges) starts.push(start);
    }
  }
  return starts.length === 0 ? null : Math.min(...starts);
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' '), maxLength: 24 });
const phrase = fc
  .array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 2,
  })
  .map((words) => words.join(' '));

describe('PhraseFilter', () => {
  it.each([false, true])('ends the text before the phrase that is complete first (whole words: %s)', (whole) => {
    fc.assert(
      fc.property(fc.array(phrase, { maxLength: 4 }), letters, (phrases, spaced) => {
        const text = spaced.replaceAll(/ +/g, ' ');
        const start = firstBanned(text, phrases, whole);
        const shown = show(filterOf(phrases, whole), [text]);
        expect(shown.text).toBe(start === null ? text : text.slice(0, start));
        expect(shown.rule === null).toBe(start === null);
      }),
      { numRuns: 500 },
    );
  });

  it('shows the same however the text is cut, and never more than the whole text allows', () => {
    const piece = fc.string({ unit: fc.constantFrom('a', 'B', 'é', ' ', '\u200b', '\u0301', '😀', 'ﬁ'), maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.array(piece, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        (pieces, banned, whole) => {
          const phrases = banned.filter((one) => foldText(one).trim() !== '');
          const filter = filterOf(phrases, whole);
          const together = show(filter, [pieces.join('')]);
          expect(show(filter, pieces)).toEqual(together);
          expect(show(filter, pieces.join('').split(''))).toEqual(together);
          expect(findBanned(filter, together.text)).toBeNull();
        },
      ),
      { numRuns: 500 },
    );
  });

  const spellings: [string, string][] = [
    ['as written', 'secret sauce'],
    ['in capitals', 'SECRET SAUCE'],
    ['full-width', 'ｓｅｃｒｅｔ　ｓａｕｃｅ'],
    ['with invisible characters', 's\u200be\u00adcret\u2060 sau\ufeffce'],
    ['with combining marks', 's\u0301ecre\u0308t sauce\u0323'],
    ['with several spaces and lines', 'secret \n\t sauce'],
    ['with lookalikes', 'ѕесrеt sаuсе'],
    ['in mathematical letters', '𝓼𝓮𝓬𝓻𝓮𝓽 𝓼𝓪𝓾𝓬𝓮'],
  ];
  it.each(spellings)('catches a phrase %s at every cut, and shows what stood before it', (_, spelling) => {
    const filter = filterOf(['secret sauce'], true);
    const text = `Here is the ${spelling}, friend`;
    for (let cut = 0; cut <= text.length; cut++) {
      expect(show(filter, [text.slice(0, cut), text.slice(cut)])).toEqual({ text: 'Here is the ', rule: 'rule-0' });
    }
    expect(show(filter, text.split(''))).toEqual({ text: 'Here is the ', rule: 'rule-0' });
  });

  it('holds back no more than could become a phrase', () => {
    const phrases = new PhraseFilter(filterOf(['abcd', 'bce'], false));
    expect(phrases.write('xxabc').text).toBe('xx');
    expect(phrases.write('f').text).toBe('abcf');
    expect(phrases.write('ab').text).toBe('');
    expect(phrases.write('x').text).toBe('abx');
    const whole = new PhraseFilter(filterOf(['cat'], true));
    expect(whole.write('concat').text).toBe('concat');
    expect(whole.write(' cat').text).toBe(' ');
    expect(whole.write('s').text).toBe('cats');
  });

  it('is linear: a long phrase against text that nearly matches it everywhere', () => {
    const filter = filterOf([`${'a'.repeat(199)}b`]);
    const started = performance.now();
    expect(
      show(
        filter,
        Array.from({ length: 2_000 }, () => 'a'.repeat(50)),
      ),
    ).toMatchObject({ rule: null });
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});
