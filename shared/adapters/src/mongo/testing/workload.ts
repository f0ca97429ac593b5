/**
 * A process that is made to be killed: creates and moves jobs, sixteen at a time, and writes the key of each job whose creation was answered.
 * Arguments: address, database, seed, a prefix for ids.
 */
import { priorities } from '@inkwell/contracts';
import { noLimits, sampleJob } from '../../embedded/testing/sample-job.ts';
import { SeededRandom } from '../../embedded/testing/seeded-random.ts';
import { openMongoStore } from '../index.ts';

const [url, database, seed, prefix] = process.argv.slice(2) as [string, string, string, string];
const random = new SeededRandom(Number(seed));
const { jobStore } = await openMongoStore({ url, database, deadlineMs: 20_000 });

async function runJob(id: string): Promise<void> {
  const job = sampleJob(random.pick(['one', 'two.$x']), id, { priority: random.pick(priorities) });
  await jobStore.create(job, noLimits);
  process.stdout.write(`${job.key}\n`);
  if (random.next() < 0.3) return;
  await jobStore.transition(job.key, ['queued'], 'in_progress', { attempts: 1 }, 1);
  if (random.next() < 0.3) return;
  await jobStore.transition(job.key, ['queued', 'in_progress'], 'completed', { finishedAt: 2 }, 1);
}

let jobs = 0;
const lanes = Array.from({ length: 16 }, async () => {
  for (;;) await runJob(`${prefix}-${jobs++}`);
});
await Promise.all(lanes);
