/** Waiting for a job to end, for clients that want the whole answer at once. */
import { isTerminalEvent, type JobOutcome, type JobRecord } from '@inkwell/contracts';
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
    for await (const event of gateway.ports.resultStream.follow(record.key, 0, stopped.signal)) {
      if (isTerminalEvent(event)) return event.outcome;
    }
    return undefined;
  } finally {
    stopped.release();
  }
}
