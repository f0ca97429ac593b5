import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Connection } from './connection.ts';
import { commitGroup, type Operation } from './group-commit.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();

async function openTable(): Promise<Connection> {
  const connection = bench.closeLater(new Connection(join(await bench.directory(), 'test.db'), {}));
  connection.exec('PRAGMA journal_mode = WAL');
  connection.exec('CREATE TABLE notes (text TEXT PRIMARY KEY) STRICT');
  return connection;
}

const insert =
  (text: string): Operation =>
  (connection) =>
    connection.run('INSERT INTO notes VALUES (?)', text);
const notes = (connection: Connection) =>
  connection.all<{ text: string }>('SELECT text FROM notes ORDER BY text').map(({ text }) => text);

it('runs a group in order and answers each operation', async () => {
  const connection = await openTable();
  const count: Operation = () => notes(connection).length;
  const answers = commitGroup(connection, [insert('a'), count, insert('b'), count]);
  expect(answers.map((answer) => answer.kind === 'done' && answer.value)).toEqual([1, 1, 1, 2]);
});

it('undoes an operation that throws, all of it, and keeps its neighbours', async () => {
  const connection = await openTable();
  const breaks: Operation = () => {
    insert('half')(connection);
    insert('a')(connection);
  };
  const answers = commitGroup(connection, [insert('a'), breaks, insert('b')]);
  expect(answers.map(({ kind }) => kind)).toEqual(['done', 'failed', 'done']);
  expect(notes(connection)).toEqual(['a', 'b']);
});

it('keeps nothing of a group when the disk is full, tells everybody, and works again when there is room', async () => {
  const connection = await openTable();
  commitGroup(connection, [insert('before')]);
  const { page_count: pages } = connection.get<{ page_count: number }>('PRAGMA page_count')!;
  connection.exec(`PRAGMA max_page_count = ${pages + 2}`);
  const answers = commitGroup(connection, [insert('a'), insert('x'.repeat(100_000)), insert('b')]);
  expect(answers).toEqual(Array(3).fill({ kind: 'unavailable', reason: 'the disk is full' }));
  expect(notes(connection)).toEqual(['before']);
  connection.exec('PRAGMA max_page_count = 1000000');
  expect(commitGroup(connection, [insert('after')])).toEqual([{ kind: 'done', value: 1 }]);
  expect(notes(connection)).toEqual(['after', 'before']);
});

it('tells everybody when the transaction cannot begin', async () => {
  const path = join(await bench.directory(), 'test.db');
  const [connection, other] = [1, 2].map(() => bench.closeLater(new Connection(path, {}))) as [Connection, Connection];
  other.exec('BEGIN EXCLUSIVE');
  const answers = commitGroup(connection, [insert('a'), insert('b')]);
  expect(answers).toEqual(
    Array(2).fill({ kind: 'unavailable', reason: 'the database file is locked by another program' }),
  );
});
