/** A job's story over server-sent events: what the client lacks is replayed, then followed live to the terminal event. */
import { isTerminalEvent, type JobRecord, type TerminalEvent } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';
import { stopSignal } from '../http/stop-signal.ts';
import { cancelInBackground } from '../jobs/cancel-job.ts';
import { withOutcome } from '../jobs/read-job.ts';
import type { Call } from '../operation.ts';
import { openFrame, terminalFrame } from './job-frames.ts';
import { toJobResource } from './job-resource.ts';
import { openSse } from './sse-writer.ts';

/** With the record as the event leaves it; read anew, since attempts and start are not in the event. */
async function lastFrame(gateway: GatewayContext, record: JobRecord, event: TerminalEvent): Promise<string> {
  const latest = (await gateway.ports.jobStore.get(record.key)) ?? record;
  return terminalFrame(event, toJobResource(withOutcome(latest, event.outcome), null));
}

export async function streamJob(
  gateway: GatewayContext,
  call: Call,
  record: JobRecord,
  afterSeq: number,
): Promise<void> {
  const { signal, release } = stopSignal(gateway.lifecycle.onClosing, call.gone);
  gateway.metrics.openStreams.inc();
  gateway.readers.came(record.key);
  const writer = openSse(call.response, gateway.config);
  let ended = false;
  try {
    for await (const event of gateway.ports.resultStream.follow(record.key, afterSeq, signal)) {
      ended = isTerminalEvent(event);
      const text = isTerminalEvent(event) ? await lastFrame(gateway, record, event) : openFrame(event, record.id);
      const caughtUp = writer.write(text);
      if (caughtUp) await caughtUp;
    }
    writer.end();
  } finally {
    release();
    gateway.metrics.openStreams.dec();
    const last = gateway.readers.left(record.key);
    if (last && !ended && call.gone.aborted && record.onDisconnect === 'cancel') cancelInBackground(gateway, record);
  }
}
