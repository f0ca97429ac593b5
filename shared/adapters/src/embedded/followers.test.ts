/** Followers in one process: many are cheap, slow ones cost no memory, and none is left waiting for ever. */
import { jobKey } from '@inkwell/contracts';
import { delta, queued, terminal } from '@inkwell/ports/conformance';
import { expect, it } from 'vitest';
import { openDatabase } from './database.ts';
import { openEmbeddedStore } from './index.ts';
import { createResultStream } from './result-stream.ts';
import { StoryWatch } from './story-watch.ts';
import { noLimits, sampleJob } from './testing/sample-job.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();
const clock = { now: () => 1000 };
const key = jobKey('t', '1');
const never = new AbortController().signal;
const completed = terminal('completed');

async function openStream() {
  const database = bench.closeLater(await openDatabase(await bench.directory()));
  let reads = 0;
  const counted = {
    ...database,
    write: database.write.bind(database),
    closed: database.closed,
    read: ((query) => {
      reads += 1;
      return database.read(query);
    }) as typeof database.read,
  };
  return { database, stream: createResultStream(counted, clock, new StoryWatch()), reads: () => reads };
}

it('costs one read for 10,000 followers who keep up with a story', async () => {
  const { stream, reads } = await openStream();
  const counts = new Uint16Array(10_000);
  const following = Array.from(counts, async (_, index) => {
    for await (const event of stream.follow(key, 0, never)) counts[index] = event.seq;
  });
  await stream.append(key, 0, 0, [queued]);
  for (let seq = 1; seq <= 10; seq++) await stream.append(key, 0, seq, [delta(`${seq}`)]);
  await stream.append(key, 0, 11, [completed]);
  await Promise.all(following);
  expect(counts.every((count) => count === 12)).toBe(true);
  expect(reads()).toBe(1);
});

it('keeps nothing in memory for a follower that does not read: it gets pages from the database', async () => {
  const { stream, reads } = await openStream();
  const slow = stream.follow(key, 0, never)[Symbol.asyncIterator]();
  await stream.append(key, 0, 0, [queued]);
  await slow.next();
  const hundred = Array.from({ length: 100 }, (_, index) => delta(`${index}`));
  for (let seq = 1; seq < 1000; seq += 100) await stream.append(key, 0, seq, hundred);
  const before = reads();
  for (let seq = 2; seq <= 901; seq++) expect((await slow.next()).value).toMatchObject({ seq });
  expect(reads() - before).toBeGreaterThanOrEqual(7);
});

it('tells followers of a store that closes', async () => {
  const { database, stream } = await openStream();
  const following = stream.follow(key, 0, never)[Symbol.asyncIterator]();
  const told = expect(following.next()).rejects.toMatchObject({ code: 'shutting_down' });
  await database.close();
  await told;
});

it('tells a follower whose job was removed while it read', async () => {
  const store = bench.closeLater(await openEmbeddedStore({ directory: await bench.directory(), clock }));
  await store.jobStore.create(sampleJob('t', '1'), noLimits);
  const events = Array.from({ length: 300 }, (_, index) => (index === 299 ? completed : delta(`${index}`)));
  await store.resultStream.append(key, 0, 0, events);
  await store.jobStore.transition(key, ['queued'], 'in_progress', {}, 0);
  await store.jobStore.transition(key, ['in_progress'], 'completed', { finishedAt: 2 }, 0);
  const reading = store.resultStream.follow(key, 0, never)[Symbol.asyncIterator]();
  await reading.next();
  await store.prune(1000);
  await expect(async () => {
    for (;;) if ((await reading.next()).done) return;
  }).rejects.toMatchObject({ code: 'job_not_found' });
});
