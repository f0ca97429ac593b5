/** A consumer for the bus suite: remembers what it was handed and lets a test wait for it. */
import type { JobKey } from '@inkwell/contracts';
import type { Delivery, JobBus } from '../job-bus.ts';

export class Inbox {
  /** Everything handed out, also for keys of other tests. */
  readonly deliveries: Delivery[] = [];
  readonly takenBack: Delivery[] = [];
  readonly cancels: JobKey[] = [];
  readonly #controller = new AbortController();
  #changed = Promise.withResolvers<void>();

  static async open(bus: JobBus, workerId: string): Promise<Inbox> {
    const inbox = new Inbox();
    await bus.consume({
      workerId,
      signal: inbox.#controller.signal,
      onDelivery: (delivery) => {
        inbox.deliveries.push(delivery);
        inbox.#ring();
      },
      onTakenBack: (delivery) => {
        inbox.takenBack.push(delivery);
        inbox.#ring();
      },
      onCancel: (key) => {
        inbox.cancels.push(key);
        inbox.#ring();
      },
    });
    return inbox;
  }

  of(key: JobKey): Delivery[] {
    return this.deliveries.filter(({ message }) => message.key === key);
  }

  /** Waits until a delivery of the key with this attempt number is there. */
  async delivery(key: JobKey, attempt = 1): Promise<Delivery> {
    await this.until(() => this.of(key).some((delivery) => delivery.attempt === attempt));
    return this.of(key).find((delivery) => delivery.attempt === attempt)!;
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.#changed.promise;
  }

  /** The consumer dies: nothing it holds is acknowledged. */
  die(): void {
    this.#controller.abort();
  }

  #ring(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
