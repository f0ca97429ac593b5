/** Marks name one call, so that the same call, sent again after a lost connection, is known by what it left behind. Nobody draws the same twice. */
import { randomBytes } from 'node:crypto';

/** In characters. */
export const markLength = 12;

const countDigits = 4;
const countLimit = 36 ** countDigits;
let origin = '';
let count = countLimit;

export function newMark(): string {
  if (count === countLimit) {
    origin = randomBytes(6).toString('base64url');
    count = 0;
  }
  return origin + (count++).toString(36).padStart(countDigits, '0');
}
