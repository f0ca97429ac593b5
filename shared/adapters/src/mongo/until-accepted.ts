/** Writing where others write the same at the same time: who is refused looks again and tries anew. No lock, no leader. */
import { setTimeout as delay } from 'node:timers/promises';

/** Each refusal means that one of the others got on. */
const maxTries = 100;
const longestPauseMs = 20;

/**
 * @param write answers whether it was accepted whole
 * @param what the others do too, for the error
 */
export async function untilAccepted(write: () => Promise<boolean>, what: string): Promise<void> {
  for (let tries = 0; tries < maxTries; tries++) {
    if (await write()) return;
    await delay(Math.random() * longestPauseMs);
  }
  throw new Error(`too many ${what} at once`);
}
