/**
 * JobStore over the embedded database. Writes and their counters are one operation of the writer; reads are a few rows found by an index,
 * whatever a filter asks for, so they can run on the main thread.
 */
import type { JobKey, JobState, NewJob, Priority } from '@inkwell/contracts';
import type { CreateResult, JobFilter, JobPage, JobPatch, JobStore, QueueCounts, QueueLimits } from '@inkwell/ports';
import type { Database } from './database.ts';
import { toPair, toRecord, toRow, toRowPatch } from './job-record.ts';
import type { CreateAnswer, JobRow } from './operations/jobs.ts';

const maxPageSize = 100;

/** Newest first below a place in that order; the states are filtered inside the index. */
const listAll = `
  SELECT * FROM jobs
  WHERE tenant = ?1 AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2))) AND (created_at, key) < (?3, ?4)
  ORDER BY created_at DESC, key DESC LIMIT ?5`;

/** As above, found by the first metadata pair; ?7 holds the others as a JSON array. */
const listByMetadata = `
  SELECT jobs.* FROM job_metadata AS found CROSS JOIN jobs ON jobs.key = found.key
  WHERE found.tenant = ?1 AND found.pair = ?6 AND (found.created_at, found.key) < (?3, ?4)
    AND (?2 IS NULL OR jobs.state IN (SELECT value FROM json_each(?2)))
    AND NOT EXISTS (
      SELECT 1 FROM json_each(?7) AS wanted WHERE NOT EXISTS (
        SELECT 1 FROM job_metadata AS other
        WHERE other.tenant = ?1 AND other.pair = wanted.value AND other.created_at = found.created_at
          AND other.key = found.key))
  ORDER BY found.created_at DESC, found.key DESC LIMIT ?5`;

interface Place {
  created_at: number;
  key: string;
}

const newest: Place = { created_at: Number.POSITIVE_INFINITY, key: '' };

export function createJobStore(database: Database): JobStore {
  return {
    async create(job: NewJob, limits: QueueLimits) {
      return toCreateResult(job, await database.write('createJob', toCreateInput(job, limits)));
    },

    async transition(key: JobKey, from: readonly JobState[], to: JobState, patch: JobPatch, fence: number) {
      const input = { key, from: [...from], to, patch: toRowPatch(patch), fence };
      const answer = await database.write('transitionJob', input);
      return answer === 'conflict' ? 'conflict' : toRecord(answer);
    },

    async get(key: JobKey) {
      const row = database.read((connection) => connection.get<JobRow>('SELECT * FROM jobs WHERE key = ?', key));
      return row && toRecord(row);
    },

    async list(filter: JobFilter, page: JobPage) {
      const place = page.after === undefined ? newest : findPlace(database, filter.tenant, page.after);
      if (place === undefined) return { records: [], hasMore: false };
      const limit = Math.min(Math.max(1, Math.trunc(page.limit)), maxPageSize);
      const rows = findJobs(database, filter, place, limit + 1);
      return { records: rows.slice(0, limit).map(toRecord), hasMore: rows.length > limit };
    },

    async oldestQueuedAt() {
      const query = "SELECT min(created_at) AS oldest FROM jobs WHERE state = 'queued'";
      return database.read((connection) => connection.get<{ oldest: number | null }>(query))?.oldest ?? null;
    },

    async counts() {
      return database.read((connection) => {
        const counts: QueueCounts = {
          queued: { interactive: 0, standard: 0, batch: 0 },
          inProgress: 0,
          departed: { interactive: 0, standard: 0, batch: 0 },
        };
        type Row = { priority: Priority; queued: number; in_progress: number; departed: number };
        for (const row of connection.all<Row>('SELECT * FROM priority_counters')) {
          counts.queued[row.priority] = row.queued;
          counts.inProgress += row.in_progress;
          counts.departed[row.priority] = row.departed;
        }
        return counts;
      });
    },

    /** Publishing is in the same file: what is on the bus is seen there. */
    async markPublished() {},

    async listUnpublished(createdBefore: number, limit: number) {
      const rows = database.read((connection) =>
        connection.all<JobRow>(
          `SELECT * FROM jobs WHERE state = 'queued' AND created_at < ? AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.key = jobs.key)
           ORDER BY created_at, key LIMIT ?`,
          createdBefore,
          limit,
        ),
      );
      return rows.map(toRecord);
    },
  };
}

export function toCreateInput(job: NewJob, limits: QueueLimits) {
  if (job.state !== 'queued') throw new TypeError(`A job is created queued, not ${job.state}.`);
  const pairs = Object.entries(job.metadata).map(([name, value]) => toPair(name, value));
  return { row: toRow(job), pairs, limits: { ...limits } };
}

export function toCreateResult(job: NewJob, answer: CreateAnswer): CreateResult {
  if (answer.outcome === 'full') return answer;
  if (answer.outcome === 'exists') return { outcome: 'exists', record: toRecord(answer.row) };
  return { outcome: 'created', record: { ...job, ordinal: answer.ordinal } };
}

function findPlace(database: Database, tenant: string, id: string): Place | undefined {
  return database.read((connection) =>
    connection.get<Place>('SELECT created_at, key FROM jobs WHERE key = ?', `${tenant}:${id}`),
  );
}

function findJobs(database: Database, filter: JobFilter, after: Place, limit: number): JobRow[] {
  const states = filter.states === undefined ? null : JSON.stringify(filter.states);
  const [first, ...others] = Object.entries(filter.metadata ?? {}).map(([name, value]) => toPair(name, value));
  const common = [filter.tenant, states, after.created_at, after.key, limit] as const;
  return database.read((connection) =>
    first === undefined
      ? connection.all<JobRow>(listAll, ...common)
      : connection.all<JobRow>(listByMetadata, ...common, first, JSON.stringify(others)),
  );
}
