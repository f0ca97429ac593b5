/**
 * The deliveries of jobs that were handed to this worker and that the bus has never had. What a bus does with a message that nobody settles, the
 * lease does here: it stays until the job's end is told, so that whoever finds it lapsed tells it. Whatever else is to become of a job, the bus
 * sees to: it is published, and who gets it finds in its record and story what is to be done.
 */
import { type JobKey, type JobRecord, toJobMessage } from '@inkwell/contracts';
import type { Logger } from '@inkwell/observability';
import type { Delivery, Handoff, JobBus } from '@inkwell/ports';

/** Leases are given up many in one call; one that is late lapses, and is found to be of a job that is over. */
const gatherMs = 25;

export interface HandedDeliveriesOptions {
  handoff: Pick<Handoff, 'settled'>;
  jobBus: Pick<JobBus, 'publish'>;
  log: Logger;
}

export class HandedDeliveries {
  readonly #options: HandedDeliveriesOptions;
  #settled: JobKey[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HandedDeliveriesOptions) {
    this.#options = options;
  }

  of(record: JobRecord): Delivery {
    const message = toJobMessage(record);
    const publish = () => this.#options.jobBus.publish(message);
    const ack = async () => this.#settle(record.key);
    return { message, attempt: 1, ack, retry: publish, deadLetter: publish };
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#giveUpLeases();
  }

  #settle(key: JobKey): void {
    this.#settled.push(key);
    this.#timer ??= setTimeout(() => void this.#giveUpLeases(), gatherMs);
  }

  async #giveUpLeases(): Promise<void> {
    this.#timer = undefined;
    const keys = this.#settled;
    if (keys.length === 0) return;
    this.#settled = [];
    try {
      await this.#options.handoff.settled(keys);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'leases of jobs that are over could not be given up; they lapse');
    }
  }
}
