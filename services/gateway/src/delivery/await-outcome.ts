/** Waiting for a job to end, for clients that want the whole answer at once. */
import type { JobOutcome, JobRecord } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';
import { stopSignal } from '../http/stop-signal.ts';

/** The outcome, or undefined when the server's grace or the signal ended the wait. */
export async function awaitOutcome(
  gateway: GatewayContext,
  record: JobRecord,
  signal?: AbortSignal,
): Promise<JobOutcome | undefined> {
  const stopped = stopSignal(gateway.lifecycle.onCut, signal);
  try {
    const outcome = (await gateway.ports.resultStream.awaitEnd(record.key, stopped.signal))?.outcome;
    if (outcome) gateway.trail.drop(record.key);
    return outcome;
  } finally {
    stopped.release();
  }
}
