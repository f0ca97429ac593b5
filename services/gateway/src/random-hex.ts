/** Random names of things that are made with every request. The system is asked for many random bytes at once; each byte is used once. */
import { randomFillSync } from 'node:crypto';

const pool = Buffer.alloc(8_192);
let used = pool.length;

/** @param sizeBytes at most a few dozen; the text has twice as many characters */
export function randomHex(sizeBytes: number): string {
  if (used + sizeBytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const text = pool.toString('hex', used, used + sizeBytes);
  used += sizeBytes;
  return text;
}
