/** Writes to the stories of jobs: one operation that checks fence, place and end, and appends. */
import type { JobKey } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';

interface AppendInput {
  key: JobKey;
  fence: number;
  afterSeq: number;
  /** The events as JSON, numbered from `afterSeq` + 1. */
  bodies: readonly string[];
  /** The last of them ends the story. */
  terminal: boolean;
  now: number;
}

function appendEvents(connection: Connection, input: AppendInput): 'ok' | 'stale' {
  const { key, fence, afterSeq, bodies, terminal, now } = input;
  const lease = connection.get<{ fence: number }>('SELECT fence FROM leases WHERE key = ?', key);
  if (fence !== (lease?.fence ?? 0)) return 'stale';
  const last = connection.get<{ seq: number; terminal: number }>(
    'SELECT seq, terminal FROM events WHERE key = ? ORDER BY seq DESC LIMIT 1',
    key,
  );
  if (afterSeq !== (last?.seq ?? 0) || last?.terminal === 1) return 'stale';
  if (last === undefined && bodies.length > 0) rememberStoryWithoutJob(connection, key, now);
  for (const [index, body] of bodies.entries()) {
    const ends = terminal && index === bodies.length - 1 ? 1 : 0;
    connection.run('INSERT INTO events VALUES (?, ?, ?, ?)', key, afterSeq + 1 + index, ends, body);
  }
  return 'ok';
}

/** A story may begin in the same step in which the queue refuses its job; retention finds it by this note. */
function rememberStoryWithoutJob(connection: Connection, key: JobKey, now: number): void {
  connection.run(
    'INSERT OR IGNORE INTO stories_without_job SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE key = ?1)',
    key,
    now,
  );
}

export const eventOperations = { appendEvents };
