/**
 * The deliveries that wait for the engine: fair queue in front, and of the job that comes next the record, so that it is known whether it
 * fits. Reads nothing ahead of that one job.
 */
import { type JobKey, type JobRecord, priorities } from '@inkwell/contracts';
import { FairQueue } from '@inkwell/engine';
import type { Metrics } from '@inkwell/observability';
import type { Delivery } from '@inkwell/ports';

interface Waiting {
  delivery: Delivery;
  record: JobRecord | null;
}

export class WaitingRoom {
  readonly #queue: FairQueue<Waiting>;
  readonly #metrics: Metrics;

  constructor(quantumTokens: number, metrics: Metrics) {
    this.#queue = new FairQueue(quantumTokens);
    this.#metrics = metrics;
  }

  get size(): number {
    return this.#queue.size;
  }

  /** A second delivery of a job that waits replaces the first, which can no longer be settled. */
  push(delivery: Delivery): void {
    const { key, tenant, priority, costTokens } = delivery.message;
    const known = this.#queue.get(key);
    if (known !== undefined) known.delivery = delivery;
    else this.#queue.push({ key, tenant, priority, costTokens, value: { delivery, record: null } });
    this.#observe();
  }

  /** The job that comes next; its record is null until it has been filled in. */
  peek(): Waiting | undefined {
    return this.#queue.peek()?.value;
  }

  take(): void {
    this.#queue.take();
    this.#observe();
  }

  remove(key: JobKey): Delivery | undefined {
    const removed = this.#queue.remove(key)?.delivery;
    this.#observe();
    return removed;
  }

  get(key: JobKey): Delivery | undefined {
    return this.#queue.get(key)?.delivery;
  }

  has(key: JobKey): boolean {
    return this.#queue.has(key);
  }

  #observe(): void {
    for (const priority of priorities) this.#metrics.queued.set({ priority }, this.#queue.sizeOf(priority));
  }
}
