/** A disk that is full: refused writes say so, the process lives on, reads work, and nothing acknowledged is lost. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { jobKey } from '@inkwell/contracts';
import { expect, it } from 'vitest';
import { openEmbeddedStore } from './index.ts';
import { noLimits, sampleJob } from './testing/sample-job.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();
const fillDisk = new URL('./testing/fill-disk.ts', import.meta.url).pathname;

it('lives through a file that may not grow any more', async () => {
  const directory = await bench.directory();
  // 8,192 blocks of 512 or 1,024 bytes, whichever the shell counts in.
  const script = 'ulimit -f 8192 && exec "$0" "$@"';
  const { stdout } = await promisify(execFile)('sh', ['-c', script, process.execPath, fillDisk, directory]);
  const { acknowledged, refused, queued } = JSON.parse(stdout) as {
    acknowledged: string[];
    refused: string[];
    queued: number;
  };
  expect(new Set(refused)).toEqual(new Set(['dependency_unavailable']));
  expect(acknowledged.length).toBeGreaterThan(10);
  expect(queued).toBe(acknowledged.length);

  const store = bench.closeLater(await openEmbeddedStore({ directory, clock: { now: () => 0 } }));
  for (const id of acknowledged) expect(await store.jobStore.get(jobKey('t', id)), id).toBeDefined();
  expect((await store.jobStore.counts()).queued.standard).toBe(acknowledged.length);
  expect(await store.jobStore.create(sampleJob('t', 'with-room-again'), noLimits)).toMatchObject({
    outcome: 'created',
  });
});
