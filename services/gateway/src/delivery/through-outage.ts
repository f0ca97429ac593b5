/**
 * For those who stay connected while a dependency is away: streams, and work that nobody waits for. What fails because of the outage is
 * tried again until it is over or the patience is; a story goes on behind the last event that was seen.
 */

import type { JobEvent, JobKey } from '@inkwell/contracts';
import type { StoryReader, StorySubscription } from '@inkwell/ports';
import { isOutage, pauseAfter, retry, withBudget } from '@inkwell/resilience';
import type { GatewayContext } from '../context.ts';

const pauses = { firstMs: 50, longestMs: 1_000 };

/** @throws what the work throws, at once or when patience is over; the signal's reason when it aborts meanwhile */
export function throughOutage<T>(gateway: GatewayContext, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const { requestBudgetMs, streamPatienceMs } = gateway.config;
  let giveUpAt: number | undefined;
  return retry(() => withBudget(requestBudgetMs, work), {
    ...pauses,
    signal,
    onFailure(error) {
      giveUpAt ??= performance.now() + streamPatienceMs;
      if (!isOutage(error) || performance.now() > giveUpAt) throw error;
    },
  });
}

/** `subscribe` across outages: the reader's end has the error `dependency_unavailable` when one lasts longer than patience. */
export function subscribeThroughOutage(
  gateway: GatewayContext,
  key: JobKey,
  afterSeq: number,
  reader: StoryReader,
): StorySubscription {
  const patient = new PatientReader(gateway, key, afterSeq, reader);
  patient.begin();
  return patient;
}

class PatientReader implements StoryReader, StorySubscription {
  readonly #gateway: GatewayContext;
  readonly #key: JobKey;
  readonly #reader: StoryReader;
  #seq: number;
  #subscription: StorySubscription | undefined;
  #failures = 0;
  #giveUpAt = 0;
  #pause: NodeJS.Timeout | undefined;

  constructor(gateway: GatewayContext, key: JobKey, afterSeq: number, reader: StoryReader) {
    this.#gateway = gateway;
    this.#key = key;
    this.#seq = afterSeq;
    this.#reader = reader;
  }

  begin(): void {
    this.#subscription = this.#gateway.ports.resultStream.subscribe(this.#key, this.#seq, this);
  }

  tell(events: readonly JobEvent[]): Promise<void> | undefined {
    this.#failures = 0;
    this.#seq = events.at(-1)?.seq ?? this.#seq;
    return this.#reader.tell(events);
  }

  end(error?: unknown): void {
    if (this.#failures === 0) this.#giveUpAt = performance.now() + this.#gateway.config.streamPatienceMs;
    if (error === undefined || !isOutage(error) || performance.now() > this.#giveUpAt) {
      this.#reader.end(error);
      return;
    }
    this.#failures++;
    this.#pause = setTimeout(() => this.begin(), pauseAfter(this.#failures, pauses));
  }

  leave(): void {
    clearTimeout(this.#pause);
    this.#subscription?.leave();
  }
}
