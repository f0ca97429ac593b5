/** Ids of jobs and of the completions they appear as. */
import { randomUUID } from 'node:crypto';

export function newJobId(): string {
  return `job_${randomUUID().replaceAll('-', '')}`;
}

/** The OpenAI-style id of a job's completion; the same job always has the same. */
export function completionId(jobId: string): string {
  return `cmpl-${jobId.replace(/^job_/, '')}`;
}
