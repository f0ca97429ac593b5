/**
 * A process whose files may not grow beyond a limit (set by the shell that starts it): writes until the store refuses, then reports as JSON
 * what was refused how, what still works, and every job that was acknowledged.
 */
import { InkwellError } from '@inkwell/contracts';
import { openEmbeddedStore } from '../index.ts';
import { noLimits, sampleJob } from './sample-job.ts';

const store = await openEmbeddedStore({ directory: process.argv[2]!, clock: { now: () => Date.now() } });
const metadata = { filler: 'x'.repeat(20_000) };
const acknowledged: string[] = [];
const refused: string[] = [];

for (let round = 0; refused.length < 100 && round < 10_000; round++) {
  const answers = await Promise.allSettled(
    Array.from({ length: 10 }, async (_, index) => {
      const job = sampleJob('t', `${round}-${index}`, { metadata });
      await store.jobStore.create(job, noLimits);
      acknowledged.push(job.id);
    }),
  );
  for (const answer of answers) {
    if (answer.status === 'rejected')
      refused.push(answer.reason instanceof InkwellError ? answer.reason.code : `${answer.reason}`);
  }
}
const { queued } = await store.jobStore.counts();
await store.close();
console.log(JSON.stringify({ acknowledged, refused, queued: queued.standard }));
