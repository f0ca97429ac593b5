/** Most texts hold no number, and looking for a digit costs far less than looking for what is made of digits. */
const digit = /\d/;

export function holdsDigit(text: string): boolean {
  return digit.test(text);
}
