/** Ids of jobs and of the completions they appear as. */
import { randomUUID } from 'node:crypto';

const timeDigits = 12;

/**
 * Begins with the time (48 bits of Unix milliseconds) as a version 7 UUID does (RFC 9562, section 5.7), so that what is filed under it is
 * added at an index's end and not all over it; the rest holds 74 random bits.
 */
export function newJobId(now = Date.now()): string {
  const time = now.toString(16).padStart(timeDigits, '0');
  return `job_${time}${randomUUID().replaceAll('-', '').slice(timeDigits)}`;
}

/** The OpenAI-style id of a job's completion; the same job always has the same. */
export function completionId(jobId: string): string {
  return `cmpl-${jobId.replace(/^job_/, '')}`;
}
