/** International bank account numbers (ISO 13616): country, check digits that leave 1 modulo 97 (ISO 7064), account; in one piece or in groups of four. */
import { holdsDigit } from './holds-digit.ts';

const candidate = /(?<![\p{L}\p{N}])[a-z]{2}\d{2}(?: ?[a-z\d]{4}){2,7}(?: ?[a-z\d]{1,3})?(?![\p{L}\p{N}])/gu;
const lengths = { shortest: 15, longest: 34 };

function remainder97(digits: string): number {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97;
  return rest;
}

function isIban(text: string): boolean {
  if (text.length < lengths.shortest || text.length > lengths.longest) return false;
  const moved = text.slice(4) + text.slice(0, 4);
  const digits = moved.replaceAll(/[a-z]/g, (letter) => String(letter.charCodeAt(0) - 87));
  // Without digits in the account it is a sentence in short words.
  return /\d{6}/.test(text.slice(4)) && remainder97(digits) === 1;
}

export function hasIban(folded: string): boolean {
  if (!holdsDigit(folded)) return false;
  for (const [found] of folded.matchAll(candidate)) {
    const groups = found.split(' ');
    // What follows the number in groups may be a word that looks like one more group.
    for (let count = groups.length; count > 0; count--) if (isIban(groups.slice(0, count).join(''))) return true;
  }
  return false;
}
