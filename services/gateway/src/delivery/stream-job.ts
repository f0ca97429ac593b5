/**
 * A job's story over server-sent events: what the client lacks is replayed, then followed live to the terminal event. While the story's
 * dependency is away the stream stays open with its heartbeats and goes on afterwards; an outage longer than its patience ends it without
 * a terminal event, and the client's reconnect with `Last-Event-ID` resumes where it ended.
 */
import { InkwellError, type JobRecord, type TerminalEvent } from '@inkwell/contracts';
import { isOutage } from '@inkwell/resilience';
import type { GatewayContext } from '../context.ts';
import { toInkwellError } from '../http/error-answer.ts';
import { withOutcome } from '../jobs/read-job.ts';
import type { Call } from '../operation.ts';
import { type OpenEvent, openFrame, terminalFrame } from './job-frames.ts';
import { toJobResource } from './job-resource.ts';
import { StoryStream } from './story-stream.ts';
import { throughOutage } from './through-outage.ts';

class JobStream extends StoryStream {
  readonly #id: string;

  constructor(gateway: GatewayContext, call: Call, record: JobRecord, afterSeq: number) {
    super(gateway, call, record, { afterSeq, stopOn: 'onClosing', cancelledBy: 'the last reader' });
    this.#id = record.id;
  }

  protected frame(event: OpenEvent): string {
    return openFrame(event, this.#id);
  }

  /** With the record as the event leaves it; read now, since attempts and start are not in the event. */
  protected async lastFrame(event: TerminalEvent, signal: AbortSignal): Promise<string> {
    const latest = await throughOutage(this.gateway, signal, () => this.gateway.ports.jobStore.get(this.key));
    if (latest === undefined) throw new InkwellError('job_not_found');
    return terminalFrame(event, toJobResource(withOutcome(latest, event.outcome), null));
  }

  protected failed(error: unknown): boolean {
    const { log, metrics } = this.gateway;
    const about = { err: error, jobId: this.#id };
    if (isOutage(error)) {
      log.warn(about, 'a stream ended because its dependency stayed away');
      return true;
    }
    metrics.errors.inc({ code: toInkwellError(error).code });
    log.error(about, 'a stream broke');
    return false;
  }
}

/** Opens the stream, and returns. */
export function streamJob(gateway: GatewayContext, call: Call, record: JobRecord, afterSeq: number): void {
  new JobStream(gateway, call, record, afterSeq);
}
