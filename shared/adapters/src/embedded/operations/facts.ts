/** Writes to the fact log. Places are never given twice, also not after old facts were removed. */
import type { Fact } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';

export type FactRow = Pick<Fact, 'id' | 'kind' | 'subject' | 'at'> & { body: string };

function publishFact(connection: Connection, { id, kind, subject, at, body }: FactRow): void {
  connection.run('INSERT INTO facts (id, kind, subject, at, body) VALUES (?, ?, ?, ?, ?)', id, kind, subject, at, body);
}

/** A group's place only ever grows. */
function advanceGroup(connection: Connection, { group, place }: { group: string; place: number }): void {
  connection.run(
    `INSERT INTO fact_groups VALUES (?1, ?2)
     ON CONFLICT (name) DO UPDATE SET place = ?2 WHERE place < ?2`,
    group,
    place,
  );
}

interface PruneInput {
  /** Facts published before this (Unix ms) go once every group has passed them. */
  before: number;
  /** Most rows. */
  limit: number;
}

/** Answers how many rows went. */
function pruneFacts(connection: Connection, { before, limit }: PruneInput): number {
  return connection.run(
    `DELETE FROM facts WHERE place IN (
       SELECT place FROM facts WHERE place <= (SELECT coalesce(min(place), 0) FROM fact_groups) AND at < ? ORDER BY place LIMIT ?)`,
    before,
    limit,
  );
}

export const factOperations = { publishFact, advanceGroup, pruneFacts };
