/** Removes what has been kept long enough, a bounded number of rows at a time so that other writes get their turn in between. */
import type { JobKey, JobRecord } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';

interface PruneInput {
  /** Jobs finished before this go. */
  finishedBefore: number;
  /** Stories begun before this for a job that never came to be go. */
  storiesBefore: number;
  now: number;
  /** Most rows of each kind. */
  limit: number;
}

/** Counts what went; all zero when nothing is left to remove. */
interface PruneAnswer {
  jobs: number;
  stories: number;
  idempotencyKeys: number;
}

function pruneBatch(connection: Connection, input: PruneInput): PruneAnswer {
  return {
    jobs: pruneJobs(connection, input),
    stories: pruneStories(connection, input),
    idempotencyKeys: connection.run(
      'DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE expires_at <= ? LIMIT ?)',
      input.now,
      input.limit,
    ),
  };
}

function pruneJobs(connection: Connection, { finishedBefore, limit }: PruneInput): number {
  const jobs = connection.all<{ key: JobKey; tenant: string; created_at: number; given: string }>(
    `SELECT key, tenant, created_at, given FROM jobs
     WHERE finished_at < ? AND state NOT IN ('queued', 'in_progress') LIMIT ?`,
    finishedBefore,
    limit,
  );
  for (const { key, tenant, created_at, given } of jobs) {
    for (const pair of Object.entries((JSON.parse(given) as Pick<JobRecord, 'metadata'>).metadata)) {
      connection.run(
        'DELETE FROM job_metadata WHERE tenant = ? AND pair = ? AND created_at = ? AND key = ?',
        tenant,
        JSON.stringify(pair),
        created_at,
        key,
      );
    }
    for (const table of ['events', 'leases', 'dead_letters', 'jobs']) {
      connection.run(`DELETE FROM ${table} WHERE key = ?`, key);
    }
  }
  return jobs.length;
}

function pruneStories(connection: Connection, { storiesBefore, limit }: PruneInput): number {
  const stories = connection.all<{ key: JobKey }>(
    'SELECT key FROM stories_without_job WHERE since < ? LIMIT ?',
    storiesBefore,
    limit,
  );
  for (const { key } of stories) {
    for (const table of ['events', 'leases', 'stories_without_job']) {
      connection.run(`DELETE FROM ${table} WHERE key = ?`, key);
    }
  }
  return stories.length;
}

export const retentionOperations = { pruneBatch };
