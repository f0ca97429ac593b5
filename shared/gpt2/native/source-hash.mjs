/** SHA-256 over the add-on's sources: built in, and compared when it is loaded, so that an add-on of other sources is never used. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

const here = new URL('./', import.meta.url);

/** @returns {string} */
export function sourceHash() {
  const hash = createHash('sha256');
  const sources = readdirSync(here).filter((name) => /\.(cpp|h|mjs)$/.test(name));
  for (const name of sources.sort()) hash.update(`${name}\0`).update(readFileSync(new URL(name, here)));
  return hash.digest('hex');
}
