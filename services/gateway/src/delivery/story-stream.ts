/**
 * One client's stream of one story: subscribed to behind the last event the client has, written as it is told, until the story ends, the
 * client leaves or the server stops it. Thousands wait like this at once, so a waiting stream holds on to its response and little else. What
 * its frames look like, and what a failure means, each kind of stream says.
 */
import { isTerminalEvent, type JobEvent, type JobKey, type JobRecord, type TerminalEvent } from '@inkwell/contracts';
import type { StoryReader, StorySubscription } from '@inkwell/ports';
import type { GatewayContext } from '../context.ts';
import { letGoOfRequest } from '../http/let-go.ts';
import { cancelInBackground } from '../jobs/cancel-job.ts';
import type { Call } from '../operation.ts';
import type { OpenEvent } from './job-frames.ts';
import { SseWriter } from './sse-writer.ts';
import { subscribeThroughOutage } from './through-outage.ts';

export interface StoryStreamOptions {
  afterSeq: number;
  headers?: Readonly<Record<string, string>>;
  /** What ends it before the story does. */
  stopOn: 'onClosing' | 'onCut';
  /** Of a job that is cancelled on disconnect: whose leaving does it. */
  cancelledBy: 'this reader' | 'the last reader';
}

export abstract class StoryStream implements StoryReader {
  protected readonly gateway: GatewayContext;
  protected readonly key: JobKey;
  protected readonly writer: SseWriter;
  readonly #subscription: StorySubscription;
  /** What it takes to cancel the job, when its clients' leaving does that. */
  readonly #cancels: { record: JobRecord; call: Call; byLast: boolean } | undefined;
  /** Aborts what is still asked for at the end. */
  #ending: AbortController | undefined;
  #release = () => {};
  #over = false;

  constructor(gateway: GatewayContext, call: Call, record: JobRecord, options: StoryStreamOptions) {
    const { afterSeq, headers, stopOn, cancelledBy } = options;
    this.gateway = gateway;
    this.key = record.key;
    if (record.onDisconnect === 'cancel') {
      this.#cancels = { record, call, byLast: cancelledBy === 'the last reader' };
      gateway.readers.came(record.key);
    } else letGoOfRequest(call.request);
    gateway.metrics.openStreams.inc();
    const { heartbeat, config } = gateway;
    this.writer = new SseWriter(call.response, { headers, heartbeat, stallLimitMs: config.stallLimitMs });
    call.response.on('close', () => this.#clientLeft());
    this.#subscription = subscribeThroughOutage(gateway, record.key, afterSeq, this);
    this.#release = gateway.lifecycle[stopOn](() => this.#stop());
  }

  /** Empty when nothing of it is shown. */
  protected abstract frame(event: OpenEvent): string;
  /** @throws the signal's reason when it aborts meanwhile */
  protected abstract lastFrame(event: TerminalEvent, signal: AbortSignal): string | Promise<string>;
  /** The story cannot be told on. Answers whether the response ends as if whole; else it is cut. */
  protected abstract failed(error: unknown): boolean;

  tell(events: readonly JobEvent[]): Promise<void> | undefined {
    let caughtUp: Promise<void> | undefined;
    for (const event of events) {
      if (this.#over) return undefined;
      if (isTerminalEvent(event)) void this.#writeLast(event);
      else {
        const frames = this.frame(event);
        if (frames !== '') caughtUp = this.writer.write(frames);
      }
    }
    return caughtUp;
  }

  end(error?: unknown): void {
    // After the terminal event the last frame says more, and may still have to be read.
    if (this.#ending !== undefined) return;
    if (error === undefined) this.#stop();
    else this.#fail(error);
  }

  async #writeLast(event: TerminalEvent): Promise<void> {
    this.#ending = new AbortController();
    this.gateway.trail.drop(this.key);
    try {
      this.writer.write(await this.lastFrame(event, this.#ending.signal));
      this.#stop();
    } catch (error) {
      this.#fail(error);
    }
  }

  #clientLeft(): void {
    if (this.#over) return;
    const isLast = this.#finish();
    if (this.#cancels === undefined || (this.#cancels.byLast && !isLast)) return;
    cancelInBackground(this.gateway, this.#cancels.record, this.#cancels.call);
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    const whole = this.failed(error);
    this.#finish();
    if (whole) this.writer.end();
    else this.writer.cut();
  }

  #stop(): void {
    if (this.#over) return;
    this.#finish();
    this.writer.end();
  }

  /** True when no other reader is left of a job that is cancelled when its clients leave. */
  #finish(): boolean {
    this.#over = true;
    this.#ending?.abort();
    this.#subscription.leave();
    this.#release();
    this.gateway.metrics.openStreams.dec();
    return this.#cancels !== undefined && this.gateway.readers.left(this.key);
  }
}
