/**
 * The main thread's side of the store's file: reads on a read-only connection here, writes through the writer thread. Promises: writes made
 * in one tick land in one commit, in order; a write that resolved is on disk and seen by every later read; when the storage fails, writes
 * and reads reject with `dependency_unavailable` and work again once it recovers.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { InkwellError } from '@inkwell/contracts';
import { Connection } from './connection.ts';
import { lockDirectory } from './directory-lock.ts';
import type { Answer } from './group-commit.ts';
import type { operations } from './operations/index.ts';
import { storageFailure, unavailable } from './storage-failure.ts';
import type { FromWriter, Request, ToWriter } from './writer-thread.ts';

type Operations = typeof operations;
type OperationName = keyof Operations;

/** What the store says to a log; pino's shape. */
export interface StoreLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface Database {
  /** Rejects with InkwellError `dependency_unavailable` (storage) or `shutting_down` (closed), otherwise with the operation's mistake. */
  write<Name extends OperationName>(
    name: Name,
    input: Parameters<Operations[Name]>[1],
  ): Promise<ReturnType<Operations[Name]>>;
  /** Runs on this thread at once; keep it to a few indexed rows. Throws the same errors as `write`. */
  read<Value>(query: (connection: Connection) => Value): Value;
  /** Groups committed (or refused) and operations in them, since opening. */
  readonly totals: { groups: number; operations: number };
  /** Aborted by `close`. */
  readonly closed: AbortSignal;
  /** Finishes what was written, then lets go of the directory. */
  close(): Promise<void>;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** Throws an Error with a message for the operator when the directory is in use or its file cannot be used. */
export async function openDatabase(directory: string, log?: StoreLog): Promise<Database> {
  const lock = lockDirectory(directory);
  try {
    const path = join(directory, 'inkwell.db');
    const writer = await startWriter(path);
    return new SingleWriterDatabase(writer, new Connection(path, { readOnly: true, timeout: 1000 }), lock.release, log);
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function startWriter(path: string): Promise<Worker> {
  const writer = new Worker(new URL('./writer-thread.ts', import.meta.url), { workerData: { path }, execArgv: [] });
  const [opened] = (await once(writer, 'message')) as [FromWriter];
  if (opened.kind !== 'refused') return writer;
  await writer.terminate();
  throw new Error(opened.message);
}

class SingleWriterDatabase implements Database {
  readonly totals = { groups: 0, operations: 0 };
  readonly #writer: Worker;
  readonly #reader: Connection;
  readonly #release: () => void;
  readonly #log: StoreLog | undefined;
  readonly #closing = new AbortController();
  /** Written in this tick, not yet posted. */
  #batch: Request[] = [];
  /** Oldest first; answers come in the same order. */
  #waiting: Waiting[] = [];
  #lost: string | undefined;

  constructor(writer: Worker, reader: Connection, release: () => void, log: StoreLog | undefined) {
    this.#writer = writer;
    this.#reader = reader;
    this.#release = release;
    this.#log = log;
    writer.on('message', (message: FromWriter) => {
      if (message.kind === 'group') this.#settle(message.answers);
    });
    writer.on('error', (error) => this.#lose(`the writer thread died: ${error.message}`));
    writer.on('exit', () => this.#lose('the writer thread ended'));
  }

  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  write<Name extends OperationName>(
    name: Name,
    input: Parameters<Operations[Name]>[1],
  ): Promise<ReturnType<Operations[Name]>> {
    if (this.closed.aborted) return Promise.reject(closedError());
    if (this.#lost !== undefined) return Promise.reject(unavailable(this.#lost));
    if (this.#batch.length === 0) setImmediate(() => this.#post());
    this.#batch.push([name, input]);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.push({ resolve, reject });
    return promise as Promise<ReturnType<Operations[Name]>>;
  }

  read<Value>(query: (connection: Connection) => Value): Value {
    if (this.closed.aborted) throw closedError();
    try {
      return query(this.#reader);
    } catch (error) {
      const reason = storageFailure(error);
      if (reason === undefined) throw error;
      this.#log?.error({ reason }, 'the job store cannot be read');
      throw unavailable(reason);
    }
  }

  async close(): Promise<void> {
    if (this.closed.aborted) return;
    this.#closing.abort();
    this.#post();
    this.#reader.close();
    const ended = this.#lost === undefined ? once(this.#writer, 'exit') : undefined;
    this.#tell(undefined);
    await ended;
    this.#release();
  }

  #post(): void {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#tell(batch);
  }

  #tell(message: ToWriter): void {
    this.#writer.postMessage(message);
  }

  #settle(answers: readonly Answer[]): void {
    this.totals.groups += 1;
    this.totals.operations += answers.length;
    const waiting = this.#waiting.splice(0, answers.length);
    const refused = answers.find((answer) => answer.kind === 'unavailable');
    if (refused !== undefined) this.#log?.error({ reason: refused.reason }, 'the job store cannot be written');
    for (const [index, { resolve, reject }] of waiting.entries()) {
      const answer = answers[index]!;
      if (answer.kind === 'done') resolve(answer.value);
      else reject(answer.kind === 'failed' ? new Error(answer.message) : unavailable(answer.reason));
    }
  }

  #lose(reason: string): void {
    this.#lost ??= reason;
    if (!this.closed.aborted) this.#log?.error({ reason }, 'the job store lost its writer; restart the process');
    for (const { reject } of this.#waiting.splice(0)) reject(unavailable(reason));
  }
}

function closedError(): InkwellError {
  return new InkwellError('shutting_down', { message: 'The job store is closed.' });
}
