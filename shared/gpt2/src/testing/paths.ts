/** Where the committed test data lies. */
import { fileURLToPath } from 'node:url';

export function testData(path: string): string {
  return fileURLToPath(new URL(`../../test-data/${path}`, import.meta.url));
}
