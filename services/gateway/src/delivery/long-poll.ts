/** Waiting for a job to change its state, by following its story: the store is never polled. */
import { isTerminal, isTerminalEvent, type JobRecord } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';
import { stopSignal } from '../http/stop-signal.ts';

/**
 * Resolves when the job has left the state the record shows, when the time is over, when the client has gone or when the server closes.
 * Read the job again afterwards.
 */
export async function waitForChange(
  gateway: GatewayContext,
  record: JobRecord,
  waitMs: number,
  gone: AbortSignal,
): Promise<void> {
  if (isTerminal(record.state)) return;
  const { signal, stop, release } = stopSignal(gateway.lifecycle.onClosing, gone);
  const timer = setTimeout(stop, waitMs);
  try {
    const { resultStream } = gateway.ports;
    const last = record.state === 'queued' ? undefined : await resultStream.last(record.key);
    if (last && isTerminalEvent(last)) return;
    for await (const event of resultStream.follow(record.key, last?.seq ?? 0, signal)) {
      if (isTerminalEvent(event) || (record.state === 'queued' && event.type === 'job.started')) return;
    }
  } finally {
    clearTimeout(timer);
    release();
  }
}
