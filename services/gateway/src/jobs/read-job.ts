/**
 * Reading jobs. A job whose story has ended is over even if its record doesn't say so yet, so that nobody who saw the terminal event ever reads
 * an older state. Another tenant's job doesn't exist.
 */
import { InkwellError, isTerminal, isTerminalEvent, type JobOutcome, type JobRecord, jobKey } from '@inkwell/contracts';
import type { Caller } from '../auth/caller.ts';
import type { GatewayContext } from '../context.ts';

/** The record as it reads once the outcome is written. */
export function withOutcome(record: JobRecord, outcome: JobOutcome): JobRecord {
  const { state, result, error, finishedAt } = outcome;
  return { ...record, state, result, error, finishedAt };
}

/** @throws InkwellError `job_not_found` */
export async function readJob(gateway: GatewayContext, caller: Caller, id: string): Promise<JobRecord> {
  const { jobStore, resultStream } = gateway.ports;
  const key = jobKey(caller.tenant, id);
  const [record, last] = await Promise.all([jobStore.get(key), resultStream.last(key)]);
  if (!record) throw new InkwellError('job_not_found', { param: 'id' });
  return last && isTerminalEvent(last) && !isTerminal(record.state) ? withOutcome(record, last.outcome) : record;
}
