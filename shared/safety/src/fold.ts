/**
 * Folding: the many spellings of a character as one. Compatibility form (Unicode 17, UAX 15), case, diacritics, invisible characters and Latin
 * lookalikes go; every white space is a space. A character's folding does not depend on its neighbours, so text can be folded as it arrives.
 */
const invisible = /^[\p{Default_Ignorable_Code_Point}\p{Cf}]$/u;
/** The blocks of combining marks that sit on letters of any script; vowel signs of other scripts carry meaning and stay. */
const diacritics = /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/gu;
const blank = /[\s\p{Z}\p{Cc}]/gu;

/** Small Cyrillic and Greek letters that look like Latin ones. */
const lookalikes = new Map(
  [...'аaеeоoрpсcуyхxіiѕsјjһhԁdԛqԝwαaοoνvρpτtυuιiκkεe'].reduce<[string, string][]>((pairs, letter, i, all) => {
    if (i % 2 === 0) pairs.push([letter, all[i + 1]!]);
    return pairs;
  }, []),
);

function fold(character: string): string {
  if (invisible.test(character)) return '';
  const plain = character.toUpperCase().toLowerCase().normalize('NFKD').replace(diacritics, '').normalize('NFKC');
  const folded = plain.toLowerCase().replace(blank, ' ');
  return lookalikes.get(folded) ?? folded;
}

const cacheSize = 4096;
const cache = new Map<string, string>();

/** One code point → what it is compared as: usually one character, none for invisible ones, several for ligatures. */
export function foldCharacter(character: string): string {
  const known = cache.get(character);
  if (known !== undefined) return known;
  const folded = fold(character);
  if (cache.size < cacheSize) cache.set(character, folded);
  return folded;
}

/** Printable ASCII and the white space among it: most prompts hold nothing else, and nothing happens to it but this. */
const ascii = /^[\t-\r -~]*$/;

export function foldText(text: string): string {
  if (ascii.test(text)) return text.toLowerCase().replaceAll(/[\t-\r]/g, ' ');
  let folded = '';
  for (const character of text) folded += foldCharacter(character);
  return folded;
}
