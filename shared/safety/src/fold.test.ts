import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldCharacter, foldText } from './fold.ts';

describe('foldText', () => {
  it.each([
    ['case', 'HeLLo', 'hello'],
    ['full-width forms', 'ｂａｄ　１２', 'bad 12'],
    ['composed and decomposed accents', 'B\u00c1d ba\u0301d b\u0430\u0301d', 'bad bad bad'],
    ['invisible characters', 'b\u200ba\u00add\ufeff\u2060', 'bad'],
    ['ligatures and sharp s', 'ﬁne straße', 'fine strasse'],
    ['letters that look Latin', 'ВАd ρаsswоrd', 'ваd password'.replace('ва', 'вa')],
    ['mathematical letters', '𝓫𝓪𝓭 𝐛𝐚𝐝', 'bad bad'],
    ['white space of any kind', 'a\u00a0b\tc\u2003d', 'a b c d'],
    ['nothing of other scripts', '漢字 한글 हिन्दी', '漢字 한글 हिन्दी'],
  ])('folds %s', (_, text, folded) => {
    expect(foldText(text)).toBe(folded);
  });

  it('folds each character alone, so that text may be cut anywhere', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
        expect(foldText(a) + foldText(b)).toBe(foldText(a + b));
      }),
    );
  });

  it('folds a text of ASCII alone as it folds its characters, with nothing else or something else beside it', () => {
    const every = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));
    for (const character of every) expect(foldText(character)).toBe(foldCharacter(character));
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...every)), (characters) => {
        const folded = characters.map(foldCharacter).join('');
        expect(foldText(characters.join(''))).toBe(folded);
        expect(foldText(`${characters.join('')}é`)).toBe(`${folded}e`);
      }),
      { seed: 20_261_125 },
    );
  });
});
