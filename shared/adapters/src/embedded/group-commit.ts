/**
 * Runs a group of operations in one transaction. Promises: operations run in order; one that throws is undone alone (each has a savepoint)
 * and the others stand; when the storage itself fails nothing of the group is kept and all are told. Answers are given only after COMMIT
 * has synced, so an answer means durable.
 */
import type { Connection } from './connection.ts';
import { storageFailure } from './storage-failure.ts';

export type Answer =
  | { kind: 'done'; value: unknown }
  /** A mistake in the operation; says what it was. */
  | { kind: 'failed'; message: string }
  /** The storage failed; nothing was kept. */
  | { kind: 'unavailable'; reason: string };

export type Operation = (connection: Connection) => unknown;

export function commitGroup(connection: Connection, group: readonly Operation[]): Answer[] {
  try {
    connection.exec('BEGIN IMMEDIATE');
    const answers = group.map((operation) => runInSavepoint(connection, operation));
    connection.exec('COMMIT');
    return answers;
  } catch (error) {
    undo(connection);
    const reason = storageFailure(error) ?? (error instanceof Error ? error.message : String(error));
    return group.map(() => ({ kind: 'unavailable', reason }));
  }
}

function runInSavepoint(connection: Connection, operation: Operation): Answer {
  connection.exec('SAVEPOINT operation');
  try {
    const value = operation(connection);
    connection.exec('RELEASE operation');
    return { kind: 'done', value };
  } catch (error) {
    // A failing storage may have rolled the whole transaction back already: then the group is lost, not this operation alone.
    if (storageFailure(error) !== undefined || !connection.inTransaction) throw error;
    connection.exec('ROLLBACK TO operation; RELEASE operation');
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

function undo(connection: Connection): void {
  if (!connection.inTransaction) return;
  try {
    connection.exec('ROLLBACK');
  } catch {
    // The next BEGIN reports the same trouble; there is nobody else to tell here.
  }
}
