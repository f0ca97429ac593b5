/**
 * Writes to what waits on the bus. A row stays until it is acknowledged or moved to the dead letters; `attempts` is counted before a
 * delivery is handed out, so a crash can never hide one.
 */
import type { JobKey } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';

function publishMessage(
  connection: Connection,
  { key, message, attempts }: { key: JobKey; message: string; attempts: number },
): 'published' | 'waiting' {
  const added = connection.run(
    'INSERT INTO deliveries VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    key,
    message,
    attempts,
  );
  return added === 1 ? 'published' : 'waiting';
}

function countDeliveries(connection: Connection, { keys }: { keys: readonly JobKey[] }): void {
  for (const key of keys) connection.run('UPDATE deliveries SET attempts = attempts + 1 WHERE key = ?', key);
}

function acknowledge(connection: Connection, { key }: { key: JobKey }): void {
  connection.run('DELETE FROM deliveries WHERE key = ?', key);
}

function moveToDeadLetters(
  connection: Connection,
  { key, reason, at }: { key: JobKey; reason: string; at: number },
): void {
  connection.run(
    `INSERT INTO dead_letters (key, message, reason, attempts, at)
     SELECT key, message, ?, attempts, ? FROM deliveries WHERE key = ?`,
    reason,
    at,
    key,
  );
  connection.run('DELETE FROM deliveries WHERE key = ?', key);
}

export const deliveryOperations = { publishMessage, countDeliveries, acknowledge, moveToDeadLetters };
