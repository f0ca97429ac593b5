/** Payment card numbers: a known issuer's prefix and length (ISO/IEC 7812) and a right check digit (Luhn, US patent 2,950,048). */
import { holdsDigit } from './holds-digit.ts';

/** Digits in groups, separated by single spaces or hyphens, not part of something longer. */
const digitRun = /(?<![\p{L}\p{N}])\d+(?:[ -]\d+)*(?![\p{L}\p{N}])/gu;
const shortest = 13;
const longest = 19;

const issuers: readonly { prefix: RegExp; lengths: readonly number[] }[] = [
  { prefix: /^4/, lengths: [13, 16, 19] },
  { prefix: /^(5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] },
  { prefix: /^3[47]/, lengths: [15] },
  { prefix: /^(6011|65|64[4-9]|622)/, lengths: [16, 19] },
  { prefix: /^35(2[89]|[3-8])/, lengths: [16] },
  { prefix: /^3(0[0-5]|[689])/, lengths: [14] },
];

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    const doubled = i % 2 === 0 ? digit : digit * 2;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

function isCardNumber(digits: string): boolean {
  return (
    issuers.some(({ prefix, lengths }) => lengths.includes(digits.length) && prefix.test(digits)) && passesLuhn(digits)
  );
}

/** Whether some neighbouring groups make a card number; others beside them may be an expiry date or a code. */
function holdsCard(groups: readonly string[]): boolean {
  for (let first = 0; first < groups.length; first++) {
    let digits = '';
    for (let last = first; last < groups.length && digits.length < longest; last++) {
      digits += groups[last];
      if (digits.length >= shortest && digits.length <= longest && isCardNumber(digits)) return true;
    }
  }
  return false;
}

export function hasCreditCard(folded: string): boolean {
  if (!holdsDigit(folded)) return false;
  for (const [run] of folded.matchAll(digitRun)) if (holdsCard(run.split(/[ -]/))) return true;
  return false;
}
