/** JobHistory over the embedded database. */
import { type JobEnded, type JobKey, jobKey } from '@inkwell/contracts';
import type { HistoryFilter, JobHistory } from '@inkwell/ports';
import type { Connection } from './connection.ts';
import type { Database } from './database.ts';

interface Place {
  key: JobKey;
  finished_at: number;
}

const beforeAll: Place = { key: '' as JobKey, finished_at: Number.MAX_VALUE };

function placeAfter(connection: Connection, { tenant }: HistoryFilter, after: string | undefined): Place | undefined {
  if (after === undefined) return beforeAll;
  return connection.get<Place>('SELECT key, finished_at FROM job_history WHERE key = ?', jobKey(tenant, after));
}

export function createJobHistory(database: Database): JobHistory {
  return {
    record: (jobs) => database.write('recordEnded', jobs),

    async get(key) {
      const row = database.read((connection) =>
        connection.get<{ body: string }>('SELECT body FROM job_history WHERE key = ?', key),
      );
      return row && (JSON.parse(row.body) as JobEnded);
    },

    async list(filter, { limit, after }) {
      const rows = database.read((connection) => {
        const place = placeAfter(connection, filter, after);
        if (place === undefined) return [];
        return connection.all<{ body: string }>(
          `SELECT body FROM job_history
           WHERE tenant = ?1 AND (finished_at, key) < (?2, ?3) AND finished_at >= ?4 AND finished_at < ?5
             AND (?6 IS NULL OR state IN (SELECT value FROM json_each(?6)))
           ORDER BY finished_at DESC, key DESC LIMIT ?7`,
          filter.tenant,
          place.finished_at,
          place.key,
          filter.from ?? -Number.MAX_VALUE,
          filter.before ?? Number.MAX_VALUE,
          filter.states === undefined ? null : JSON.stringify(filter.states),
          limit + 1,
        );
      });
      const jobs = rows.slice(0, limit).map(({ body }) => JSON.parse(body) as JobEnded);
      return { jobs, hasMore: rows.length > limit };
    },
  };
}
