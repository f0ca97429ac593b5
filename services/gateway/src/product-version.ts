/** The version of the product, as `package.json` says it. */
import { readFileSync } from 'node:fs';

export function productVersion(): string {
  return JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
}
