/** A process that opens the store named by its argument, says `open` (or why not) and waits to be killed. */
import { openEmbeddedStore } from '../index.ts';

try {
  await openEmbeddedStore({ directory: process.argv[2]!, clock: { now: () => Date.now() } });
  console.log('open');
} catch (error) {
  console.log(String(error));
  setInterval(() => undefined, 1000);
}
