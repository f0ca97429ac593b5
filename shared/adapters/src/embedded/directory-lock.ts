/**
 * One process owns a data directory. The lock is a file lock that SQLite takes and the kernel gives back when the process ends, however it
 * ends, so a crash leaves nothing to clean up. Not promised: anything on network file systems, where neither locks nor WAL can be trusted.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface DirectoryLock {
  release(): void;
}

/** Creates the directory if need be. Throws an Error naming it when another process (or this one) holds it. */
export function lockDirectory(directory: string): DirectoryLock {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(join(directory, 'owner.lock'));
    try {
      database.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      throw error;
    }
    return { release: () => database.close() };
  } catch (error) {
    throw new Error(explain(directory, error), { cause: error });
  }
}

function explain(directory: string, error: unknown): string {
  const busy = error instanceof Error && 'errcode' in error && error.errcode === 5;
  return busy
    ? `The data directory ${directory} is in use by another Inkwell process. Stop that one, or name another data directory.`
    : `The data directory ${directory} cannot be used: ${error instanceof Error ? error.message : String(error)}.`;
}
