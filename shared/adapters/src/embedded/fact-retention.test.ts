/** Facts stay until every group has taken them in, and an hour beyond; a group's place survives restarts. */
import { randomUUID } from 'node:crypto';
import type { Fact } from '@inkwell/contracts';
import { expect, it } from 'vitest';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();
const hourMs = 3_600_000;
let nowMs = 1_000_000_000;
const clock = { now: () => nowMs };

const fact = (): Fact => ({ version: 1, id: randomUUID(), kind: 'test', subject: 's', at: nowMs, body: {} });

/** Resolves with what the group hears, once the last of these has come. */
async function hear(store: EmbeddedStore, group: string, last: Fact): Promise<string[]> {
  const heard: string[] = [];
  const done = Promise.withResolvers<void>();
  const leaving = new AbortController();
  await store.factLog.consume({
    group,
    signal: leaving.signal,
    onFacts: async (facts) => {
      heard.push(...facts.map(({ id }) => id));
      if (heard.includes(last.id)) setImmediate(done.resolve);
    },
  });
  await done.promise;
  leaving.abort();
  return heard;
}

it('are removed once every group has taken them in and an hour has passed, and not before', async () => {
  const directory = await bench.directory();
  const store = bench.closeLater(await openEmbeddedStore({ directory, clock }));
  const first = fact();
  await store.factLog.publish(first);
  nowMs += 2 * hourMs;
  await store.prune(0);
  expect(await hear(store, 'one', first)).toEqual([first.id]);
  const second = fact();
  await store.factLog.publish(second);
  await store.prune(0);
  await store.close();

  const again = bench.closeLater(await openEmbeddedStore({ directory, clock }));
  expect(await hear(again, 'one', second)).toEqual([second.id]);
  // The first is gone; the second is an hour too young.
  await again.prune(0);
  expect(await hear(again, 'late', second)).toEqual([second.id]);
  nowMs += 2 * hourMs;
  await again.prune(0);
  const third = fact();
  await again.factLog.publish(third);
  expect(await hear(again, 'later', third)).toEqual([third.id]);
});
