import { jobKey } from '@inkwell/contracts';
import { expect, it } from 'vitest';
import { type Database, openDatabase } from './database.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();
const open = async (directory?: string) => bench.closeLater(await openDatabase(directory ?? (await bench.directory())));
const take = (database: Database, id: string) =>
  database.write('takeLease', { key: jobKey('t', id), owner: 'o', now: 0, ttlMs: 1, force: true });
const fences = (database: Database) =>
  database.read((connection) =>
    connection.all<{ key: string; fence: number }>('SELECT key, fence FROM leases ORDER BY key'),
  );

it('puts everything written in one tick into one commit, in order', async () => {
  const database = await open();
  const answers = await Promise.all(Array.from({ length: 200 }, () => take(database, 'same')));
  expect(answers).toEqual(Array.from({ length: 200 }, (_, index) => ({ fence: index + 1 })));
  expect(database.totals).toEqual({ groups: 1, operations: 200 });
});

it('counts what promise callbacks write in the same tick to the same commit, always', async () => {
  const database = await open();
  const writeLater = async (hops: number) => {
    for (let hop = 0; hop < hops; hop++) await undefined;
    return take(database, 'late');
  };
  for (let round = 1; round <= 40; round++) {
    await Promise.all([take(database, 'early'), writeLater(3), writeLater(300)]);
    expect(database.totals).toEqual({ groups: round, operations: 3 * round });
  }
});

it('takes what was posted while a commit is under way together into the next', async () => {
  const database = await open();
  const lanes = Array.from({ length: 64 }, async (_, lane) => {
    for (let round = 0; round < 20; round++) await take(database, `${lane}`);
  });
  await Promise.all(lanes);
  expect(database.totals.operations).toBe(1280);
  expect(database.totals.groups).toBeLessThan(200);
});

it('shows a write to every read once it resolved', async () => {
  const database = await open();
  for (let round = 1; round <= 50; round++) {
    await take(database, 'a');
    expect(fences(database)).toEqual([{ key: 't:a', fence: round }]);
  }
});

it('cannot write through the reading connection', async () => {
  const database = await open();
  const writing = () => database.read((connection) => connection.exec('DELETE FROM jobs'));
  expect(writing).toThrow(
    expect.objectContaining({ code: 'dependency_unavailable', cause: new Error('the database file is read-only') }),
  );
});

it('finishes what was written before it closed, and keeps it', async () => {
  const directory = await bench.directory();
  const database = await open(directory);
  const written = take(database, 'a');
  await database.close();
  expect(await written).toEqual({ fence: 1 });
  expect(fences(await open(directory))).toEqual([{ key: 't:a', fence: 1 }]);
});

it('refuses reads and writes once closed, and may be closed again', async () => {
  const database = await open();
  await database.close();
  await database.close();
  await expect(take(database, 'a')).rejects.toMatchObject({ code: 'shutting_down' });
  expect(() => fences(database)).toThrow(expect.objectContaining({ code: 'shutting_down' }));
});

it('rejects an operation that is a mistake as that, and goes on', async () => {
  const database = await open();
  const wrong = database.write('takeLease', {
    key: jobKey('t', 'a'),
    owner: 'o',
    now: Number.NaN,
    ttlMs: 1,
    force: true,
  });
  const right = take(database, 'b');
  await expect(wrong).rejects.toThrow(/NOT NULL/);
  expect(await right).toEqual({ fence: 1 });
});
