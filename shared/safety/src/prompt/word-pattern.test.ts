import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileWordPattern, matchesWords, PatternIndex, wordsOf } from './word-pattern.ts';

const matches = (pattern: string, text: string) => matchesWords(compileWordPattern(pattern), wordsOf(text));

describe('a word pattern', () => {
  it.each([
    ['red fox', 'The RED, fox!', true],
    ['red fox', 'red foxes', false],
    ['fox*', 'three foxes', true],
    ['red (fox|hen house) here', 'a red hen-house here', true],
    ['red (fox|hen house) here', 'a red hen here', false],
    ['red quick? fox', 'red fox', true],
    ['red quick? fox', 'red quick fox', true],
    ['red quick? fox', 'red slow fox', false],
    ['red ~2 fox', 'red fox', true],
    ['red ~2 fox', 'red one two fox', true],
    ['red ~2 fox', 'red one two three fox', false],
    ['a (b|c)? d', 'a a d', true],
    ["don't go", 'Don’t go', true],
    ['naïve fool', 'nai\u0308ve f\u200bool', true],
  ])('%j on %j: %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  it.each([
    ['', /at least one word/],
    ['a?', /at least one word/],
    ['~2 a', /begin with a gap/],
    ['a ~9 b', /~1 to ~8/],
    ['(a|) b', /no word/],
    ['(a', /cannot read/],
    ['a+b', /no word/],
    [Array.from({ length: 70 }, (_, i) => `w${i}`).join(' '), /at most 64/],
  ])('refuses %j', (pattern, problem) => {
    expect(() => compileWordPattern(pattern)).toThrow(problem);
  });

  it('takes time linear in the text: a pattern full of choices on a text that nearly matches everywhere', () => {
    const pattern = compileWordPattern(`${'(a|a|a)? ~5 '.repeat(6).trim().replace('?', '')} b`);
    const words = Array.from({ length: 5_000 }, () => 'a');
    const started = performance.now();
    expect(matchesWords(pattern, words)).toBe(false);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('an index of patterns', () => {
  it('leaves out no pattern that is in the text', () => {
    const words = fc.constantFrom('red', 'redder', 'fox', 'foxes', 'hen', 'a');
    const sources = ['red fox', 'red* fox', 'fox*', '(red|hen) ~2 fox', 'a? fox', '(a|hen fox)? red', 'hen ~8 a*'];
    const patterns = sources.map(compileWordPattern);
    const index = new PatternIndex(patterns);
    fc.assert(
      fc.property(fc.array(words), (text) => {
        const begun = index.begunIn(text);
        for (const pattern of patterns) if (matchesWords(pattern, text)) expect(begun.has(pattern)).toBe(true);
      }),
      { seed: 20_261_125, numRuns: 500 },
    );
  });

  it('names none that begins with no word of the text', () => {
    const [red, fox] = ['red hen', 'fox* hen'].map(compileWordPattern);
    const index = new PatternIndex([red!, fox!]);
    expect([...index.begunIn(['hen', 'foxes'])]).toEqual([fox]);
    expect([...index.begunIn(['hen'])]).toEqual([]);
  });
});
