/**
 * The one writer, in a thread of its own so that waiting for the disk never holds up HTTP. Whatever was posted while a commit was under way
 * is taken together into the next one (group commit), in the order it was posted. Talks to `database.ts` alone.
 */
import { statSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Connection } from './connection.ts';
import { type Answer, commitGroup, type Operation } from './group-commit.ts';
import { operations } from './operations/index.ts';
import { migrate, voidWhatTheLastOwnerHeld } from './schema.ts';
import { isDamage, storageFailure } from './storage-failure.ts';

/** One write: the name of the operation and its input. */
export type Request = readonly [name: keyof typeof operations, input: unknown];
/** To the writer: writes, or undefined to close. */
export type ToWriter = Request[] | undefined;
/** From the writer: first whether it opened, then the answers of each group in the order of its requests. */
export type FromWriter = { kind: 'open' } | { kind: 'refused'; message: string } | { kind: 'group'; answers: Answer[] };

/** Above this the check of the whole file at the start would take seconds; damage is then met (and reported) by the operation that reads it. */
const checkWholeFileBelowBytes = 256 * 1024 * 1024;

function open(path: string): Connection {
  const connection = new Connection(path, { timeout: 1000, enableForeignKeyConstraints: false });
  connection.exec('PRAGMA journal_mode = WAL');
  connection.exec('PRAGMA synchronous = FULL');
  connection.exec('PRAGMA journal_size_limit = 67108864');
  connection.exec('PRAGMA cache_size = -32768');
  if (statSync(path).size < checkWholeFileBelowBytes) {
    const found = connection.get<{ quick_check: string }>('PRAGMA quick_check(1)')?.quick_check;
    if (found !== 'ok') throw Object.assign(new Error(found), { errcode: 11 });
  }
  migrate(connection);
  voidWhatTheLastOwnerHeld(connection);
  return connection;
}

function refusal(path: string, error: unknown): string {
  const reason = storageFailure(error) ?? (error instanceof Error ? error.message : String(error));
  const advice = isDamage(error)
    ? `; restore ${path} (with its -wal file) from a backup, or move both away to start with an empty store`
    : '';
  return `Cannot open the job store ${path}: ${reason}${advice}.`;
}

const port = parentPort;
if (port === null) throw new Error('writer-thread.ts is started by database.ts, as a worker thread.');
const answer = (message: FromWriter) => port.postMessage(message);
const { path } = workerData as { path: string };

try {
  const connection = open(path);
  answer({ kind: 'open' });
  port.on('message', (firstMessage: ToWriter) => {
    const { requests, closing } = drain(firstMessage);
    if (requests.length > 0) answer({ kind: 'group', answers: commitGroup(connection, requests.map(bind)) });
    if (closing) {
      connection.close();
      port.close();
    }
  });
} catch (error) {
  answer({ kind: 'refused', message: refusal(path, error) });
}

function drain(firstMessage: ToWriter): { requests: Request[]; closing: boolean } {
  const requests: Request[] = [];
  let message: ToWriter = firstMessage;
  while (message !== undefined) {
    for (const request of message) requests.push(request);
    const next = receiveMessageOnPort(port!) as { message: ToWriter } | undefined;
    if (next === undefined) return { requests, closing: false };
    message = next.message;
  }
  return { requests, closing: true };
}

function bind([name, input]: Request): Operation {
  const operation = operations[name] as (connection: Connection, input: unknown) => unknown;
  return (connection) => operation(connection, input);
}
