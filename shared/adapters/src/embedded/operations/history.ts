/** Writes to the history of jobs: the first record of a job's end stands, and counts its use in the same transaction, wholly and once. */
import type { JobEnded } from '@inkwell/contracts';
import { bucketMs } from '@inkwell/ports';
import type { Connection } from '../connection.ts';

function recordEnded(connection: Connection, jobs: readonly JobEnded[]): void {
  for (const job of jobs) {
    const fresh = connection.run(
      'INSERT INTO job_history VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
      job.key,
      job.tenant,
      job.jobId,
      job.state,
      job.finishedAt,
      JSON.stringify(job),
    );
    if (fresh === 0) continue;
    for (const sizeMs of Object.values(bucketMs)) count(connection, job, sizeMs);
  }
}

function count(connection: Connection, job: JobEnded, sizeMs: number): void {
  connection.run(
    `INSERT INTO usage_buckets VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)
     ON CONFLICT DO UPDATE SET requests = requests + 1, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
       completion_tokens = completion_tokens + excluded.completion_tokens`,
    sizeMs,
    Math.floor(job.finishedAt / sizeMs) * sizeMs,
    job.tenant,
    job.keyId ?? '',
    job.userId ?? '',
    job.model,
    job.usage.promptTokens,
    job.usage.completionTokens,
  );
}

export const historyOperations = { recordEnded };
