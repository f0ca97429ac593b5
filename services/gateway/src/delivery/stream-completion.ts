/** A completion as it is generated, in OpenAI's chunks. Not resumable; the job behind it is, under its id in `x-inkwell-job-id`. */
import { isTerminalEvent, type JobRecord } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';
import { toInkwellError } from '../http/error-answer.ts';
import { stopSignal } from '../http/stop-signal.ts';
import { cancelInBackground } from '../jobs/cancel-job.ts';
import type { Call } from '../operation.ts';
import { createChunkWriter } from './completion-chunks.ts';
import { openSse, type SseWriter } from './sse-writer.ts';
import { followThroughOutage } from './through-outage.ts';

export interface CompletionStreamOptions {
  includeUsage: boolean;
  headers: Record<string, string>;
}

/** Writes the chunks; true when the story was told to its end. */
async function writeChunks(
  gateway: GatewayContext,
  record: JobRecord,
  writer: SseWriter,
  includeUsage: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const chunks = createChunkWriter(record, includeUsage);
  for await (const event of followThroughOutage(gateway, record.key, 0, signal)) {
    if (isTerminalEvent(event)) {
      writer.write(chunks.end(event.outcome));
      return true;
    }
    if (event.type !== 'job.delta') continue;
    const caughtUp = writer.write(chunks.delta(event));
    if (caughtUp) await caughtUp;
  }
  return false;
}

export async function streamCompletion(
  gateway: GatewayContext,
  call: Call,
  record: JobRecord,
  { includeUsage, headers }: CompletionStreamOptions,
): Promise<void> {
  const { signal, release } = stopSignal(gateway.lifecycle.onCut, call.gone);
  gateway.metrics.openStreams.inc();
  const writer = openSse(call.response, { ...gateway.config, headers });
  let ended = false;
  try {
    ended = await writeChunks(gateway, record, writer, includeUsage, signal);
  } catch (thrown) {
    gateway.log.error({ err: thrown, requestId: call.requestId }, 'a completion stream broke');
    writer.write(`data: ${JSON.stringify({ error: toInkwellError(thrown).toBody() })}\n\n`);
  } finally {
    writer.end();
    release();
    gateway.metrics.openStreams.dec();
    if (!ended && call.gone.aborted && record.onDisconnect === 'cancel') cancelInBackground(gateway, record, call);
  }
}
