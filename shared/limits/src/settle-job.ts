/** Settling a job's reservation with what it produced: by whoever ends the job, before the record says that it ended. */
import type { JobOutcome, JobRecord } from '@inkwell/contracts';
import type { RateLimiter } from '@inkwell/ports';

/** Tokens a job is charged for: its prompts, once anything was produced, and all it generated. */
export function chargedTokens({ result }: Pick<JobOutcome, 'result'>): number {
  return result?.usage.total_tokens ?? 0;
}

/** Does nothing for a job that reserved nothing. */
export async function settleJob(
  rateLimiter: RateLimiter,
  { key, reservedTokens }: Pick<JobRecord, 'key' | 'reservedTokens'>,
  outcome: Pick<JobOutcome, 'result'>,
): Promise<void> {
  if (reservedTokens !== undefined) await rateLimiter.settle(key, chargedTokens(outcome));
}
