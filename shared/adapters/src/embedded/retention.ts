/** Retention: removes in small batches, so that a large backlog never holds up the writes of living jobs. */
import type { Clock } from '@inkwell/ports';
import type { Database } from './database.ts';

const batchSize = 200;
/** A story is begun in the same commit as its job; one that is this old and has no job never gets one. */
const storyGraceMs = 10 * 60 * 1000;
/** How long facts are kept at least, also when every group has passed them. */
const factsKeptMs = 60 * 60 * 1000;
/** A fact told again later than this would make its webhook again; deliveries don't live that long. */
const webhooksKeptMs = 7 * 24 * 60 * 60 * 1000;

/** Removes jobs finished before `beforeMs` (Unix ms) with all that belongs to them; answers how many. */
export async function prune(database: Database, clock: Clock, beforeMs: number): Promise<number> {
  let removed = 0;
  await database.write('forgetBudgetsBefore', { now: clock.now() });
  for (;;) {
    const now = clock.now();
    const input = { finishedBefore: beforeMs, storiesBefore: now - storyGraceMs, now, limit: batchSize };
    const { jobs, stories, idempotencyKeys } = await database.write('pruneBatch', input);
    removed += jobs;
    if (jobs + stories + idempotencyKeys === 0) break;
  }
  const now = clock.now();
  await Promise.all([
    database.write('pruneSessions', now),
    database.write('pruneRevocations', now),
    database.write('pruneAttempts', now),
    database.write('pruneWebhooks', now - webhooksKeptMs),
  ]);
  const facts = { before: now - factsKeptMs, limit: batchSize };
  while ((await database.write('pruneFacts', facts)) > 0);
  return removed;
}
