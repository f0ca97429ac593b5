/** Ids of jobs and of the completions they appear as. */
import { randomHex } from '../random-hex.ts';

const timeDigits = 12;
const randomBytes = 10;

/**
 * Begins with the time (48 bits of Unix milliseconds) as a version 7 UUID does (RFC 9562, section 5.7), so that what is filed under it is
 * added at an index's end and not all over it; the rest holds 80 random bits.
 */
export function newJobId(now = Date.now()): string {
  const time = now.toString(16).padStart(timeDigits, '0');
  return `job_${time}${randomHex(randomBytes)}`;
}

/** The OpenAI-style id of a job's completion; the same job always has the same. */
export function completionId(jobId: string): string {
  return `cmpl-${jobId.replace(/^job_/, '')}`;
}
