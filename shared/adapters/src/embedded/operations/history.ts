/** Writes to the history of jobs: the first record of a job's end stands. */
import type { JobEnded } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';

function recordEnded(connection: Connection, jobs: readonly JobEnded[]): void {
  for (const job of jobs) {
    connection.run(
      'INSERT INTO job_history VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      job.key,
      job.tenant,
      job.jobId,
      job.state,
      job.finishedAt,
      JSON.stringify(job),
    );
  }
}

export const historyOperations = { recordEnded };
