/**
 * A job's story over server-sent events: what the client lacks is replayed, then followed live to the terminal event. While the story's
 * dependency is away the stream stays open with its heartbeats and goes on afterwards; an outage longer than its patience ends it without
 * a terminal event, and the client's reconnect with `Last-Event-ID` resumes where it ended.
 */
import { isTerminalEvent, type JobRecord, type TerminalEvent } from '@inkwell/contracts';
import { isOutage } from '@inkwell/resilience';
import type { GatewayContext } from '../context.ts';
import { stopSignal } from '../http/stop-signal.ts';
import { cancelInBackground } from '../jobs/cancel-job.ts';
import { withOutcome } from '../jobs/read-job.ts';
import type { Call } from '../operation.ts';
import { openFrame, terminalFrame } from './job-frames.ts';
import { toJobResource } from './job-resource.ts';
import { openSse, type SseWriter } from './sse-writer.ts';
import { followThroughOutage, throughOutage } from './through-outage.ts';

/** With the record as the event leaves it; read anew, since attempts and start are not in the event. */
async function lastFrame(gateway: GatewayContext, record: JobRecord, event: TerminalEvent, signal: AbortSignal) {
  const latest = (await throughOutage(gateway, signal, () => gateway.ports.jobStore.get(record.key))) ?? record;
  return terminalFrame(event, toJobResource(withOutcome(latest, event.outcome), null));
}

/** True when the story was told to its end; false when the client must come back for the rest. */
async function writeStory(
  gateway: GatewayContext,
  record: JobRecord,
  writer: SseWriter,
  afterSeq: number,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    for await (const event of followThroughOutage(gateway, record.key, afterSeq, signal)) {
      const ends = isTerminalEvent(event);
      const caughtUp = writer.write(
        ends ? await lastFrame(gateway, record, event, signal) : openFrame(event, record.id),
      );
      if (ends) return true;
      if (caughtUp) await caughtUp;
    }
    return false;
  } catch (thrown) {
    if (signal.aborted) return false;
    if (!isOutage(thrown)) throw thrown;
    gateway.log.warn({ err: thrown, jobId: record.id }, 'a stream ended because its dependency stayed away');
    return false;
  }
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
    ended = await writeStory(gateway, record, writer, afterSeq, signal);
    writer.end();
  } finally {
    release();
    gateway.metrics.openStreams.dec();
    const last = gateway.readers.left(record.key);
    if (last && !ended && call.gone.aborted && record.onDisconnect === 'cancel')
      cancelInBackground(gateway, record, call);
  }
}
