/** The deliveries that wait for the engine, in their fair order; jobs that were interrupted go before all others. */
import { type JobKey, type JobRecord, priorities } from '@inkwell/contracts';
import { FairQueue } from '@inkwell/engine';
import type { Metrics } from '@inkwell/observability';
import type { Delivery } from '@inkwell/ports';

const observeEveryMs = 100;

export interface Waiting {
  delivery: Delivery;
  /** Known of a job that was interrupted. */
  record?: JobRecord;
}

export class WaitingRoom {
  /** Jobs that were running when their worker died: their readers are waiting in mid-sentence, so they go before all others. */
  readonly #interrupted = new Map<JobKey, Waiting>();
  readonly #queue: FairQueue<Waiting>;
  readonly #metrics: Metrics;
  #observing: NodeJS.Timeout | undefined;

  constructor(quantumTokens: number, metrics: Metrics) {
    this.#queue = new FairQueue(quantumTokens);
    this.#metrics = metrics;
  }

  get size(): number {
    return this.#interrupted.size + this.#queue.size;
  }

  /** A second delivery of a job that waits replaces the first, which can no longer be settled. */
  push(delivery: Delivery): void {
    const { key, tenant, priority, costTokens } = delivery.message;
    const known = this.#find(key);
    if (known !== undefined) known.delivery = delivery;
    else this.#queue.push({ key, tenant, priority, costTokens, value: { delivery } });
    this.#changed();
  }

  /** Lets a job in that was interrupted. */
  pushInterrupted(delivery: Delivery, record: JobRecord): void {
    this.#interrupted.set(record.key, { delivery, record });
  }

  /** The job that comes next. */
  peek(): Waiting | undefined {
    if (this.size === 0) return undefined;
    for (const waiting of this.#interrupted.values()) return waiting;
    return this.#queue.peek()?.value;
  }

  take(): void {
    for (const key of this.#interrupted.keys()) {
      this.#interrupted.delete(key);
      return;
    }
    this.#queue.take();
    this.#changed();
  }

  remove(key: JobKey): Delivery | undefined {
    const removed = this.#find(key)?.delivery;
    if (!this.#interrupted.delete(key)) this.#queue.remove(key);
    this.#changed();
    return removed;
  }

  get(key: JobKey): Delivery | undefined {
    return this.#find(key)?.delivery;
  }

  has(key: JobKey): boolean {
    return this.#find(key) !== undefined;
  }

  /** Jobs come and go by the thousand; the gauges are read every few seconds. */
  #changed(): void {
    this.#observing ??= setTimeout(() => this.#observe(), observeEveryMs).unref();
  }

  #observe(): void {
    this.#observing = undefined;
    for (const priority of priorities) this.#metrics.queued.set({ priority }, this.#queue.sizeOf(priority));
  }

  #find(key: JobKey): Waiting | undefined {
    return this.#interrupted.get(key) ?? this.#queue.get(key);
  }
}
