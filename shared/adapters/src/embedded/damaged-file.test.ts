/** Whatever the store's file holds, the answer is a working store or an error that says what to do: never a crash, a hang or silence. */
import { copyFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { InkwellError, jobKey } from '@inkwell/contracts';
import { beforeAll, expect, it } from 'vitest';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { schemaVersion } from './schema.ts';
import { noLimits, sampleJob } from './testing/sample-job.ts';
import { scratch } from './testing/scratch.ts';
import { SeededRandom } from './testing/seeded-random.ts';

const bench = scratch();
const clock = { now: () => 0 };
const seed = Number(process.env.INKWELL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 32));
let healthy = '';

beforeAll(async () => {
  console.log(`damaged file: INKWELL_TEST_SEED=${seed}`);
  const directory = await bench.directory();
  const store = await openEmbeddedStore({ directory, clock });
  await Promise.all(
    Array.from({ length: 300 }, (_, index) =>
      Promise.all([
        store.jobStore.create(sampleJob('t', `${index}`, { metadata: { n: `${index}` } }), noLimits),
        store.resultStream.append(jobKey('t', `${index}`), 0, 0, [{ type: 'job.queued', at: 1 }]),
      ]),
    ),
  );
  await store.close();
  healthy = join(directory, 'inkwell.db');
});

async function copy(): Promise<{ directory: string; path: string }> {
  const directory = await bench.directory();
  const path = join(directory, 'inkwell.db');
  await copyFile(healthy, path);
  return { directory, path };
}

function alter(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

it.each(['', 'SQLite format 3\u0000', 'x'.repeat(50_000)])(
  'names a file of other bytes and says what to do (%#)',
  async (bytes) => {
    const { directory, path } = await copy();
    await writeFile(path, `not a database${bytes}`);
    const opening = openEmbeddedStore({ directory, clock });
    await expect(opening).rejects.toThrow(`Cannot open the job store ${path}: the file is not a database; restore`);
  },
);

it.each([0.2, 0.5, 0.9])('notices a file cut short to %f of its length', async (part) => {
  const { directory, path } = await copy();
  await truncate(path, Math.floor((await readFile(path)).length * part));
  await expect(openEmbeddedStore({ directory, clock })).rejects.toThrow(
    /is damaged; restore .* from a backup, or move both away/,
  );
});

it('lets go of the directory when it cannot open the file', async () => {
  const { directory, path } = await copy();
  await writeFile(path, 'not a database at all');
  await expect(openEmbeddedStore({ directory, clock })).rejects.toThrow('not a database');
  await copyFile(healthy, path);
  bench.closeLater(await openEmbeddedStore({ directory, clock }));
});

it('begins anew in an empty file', async () => {
  const directory = await bench.directory();
  await writeFile(join(directory, 'inkwell.db'), '');
  bench.closeLater(await openEmbeddedStore({ directory, clock }));
});

it('refuses the file of a newer version, and leaves it as it is', async () => {
  const { directory, path } = await copy();
  alter(path, `PRAGMA user_version = ${schemaVersion + 1}`);
  await expect(openEmbeddedStore({ directory, clock })).rejects.toThrow(
    `version ${schemaVersion + 1}, this program knows up to ${schemaVersion}`,
  );
});

it("refuses another program's database", async () => {
  const directory = await bench.directory();
  alter(join(directory, 'inkwell.db'), 'CREATE TABLE theirs (a)');
  await expect(openEmbeddedStore({ directory, clock })).rejects.toThrow('another program');
});

it.each(Array.from({ length: 15 }, (_, round) => round))('survives random damage, round %i', async (round) => {
  const random = new SeededRandom(seed + round);
  const { directory, path } = await copy();
  const bytes = await readFile(path);
  for (let hits = random.between(1, 30); hits > 0; hits--) {
    const start = random.between(0, bytes.length - 1);
    bytes.subarray(start, start + random.between(1, 3000)).forEach((_, index, part) => {
      part[index] = random.between(0, 255);
    });
  }
  await writeFile(path, bytes);
  const store = await openEmbeddedStore({ directory, clock }).catch((error: Error) => error);
  if (store instanceof Error) expect(store.message).toContain(path);
  else await useOrBeTold(bench.closeLater(store));
});

/** Damage inside a value is data to SQLite; damage of the structure must come as `dependency_unavailable`. */
async function useOrBeTold(store: EmbeddedStore): Promise<void> {
  const calls = [
    store.jobStore.create(sampleJob('t', 'new'), noLimits),
    store.jobStore.list({ tenant: 't', metadata: { n: '7' } }, { limit: 100 }),
    store.resultStream.append(jobKey('t', '8'), 0, 1, [{ type: 'job.queued', at: 1 }]),
    store.resultStream.read(jobKey('t', '9'), 0, 10),
    store.jobStore.counts(),
  ];
  for (const outcome of await Promise.allSettled(calls)) {
    if (outcome.status === 'rejected' && !(outcome.reason instanceof SyntaxError)) {
      expect(outcome.reason).toBeInstanceOf(InkwellError);
    }
  }
}
