/**
 * Sees to jobs whose lease has run out: nobody is at them any more. One that runs is continued in mid-sentence, since a bus may take long to notice a
 * dead consumer and a lease runs out in a second or two. The bus has its message, or is given it now if the job had been handed to the worker
 * that died, and delivers it in its own time: to us, who then have the job and settle it, or to another, who finds the lease held and later the job
 * finished. One that is over was not told to its end: that is done here.
 */
import { isTerminal, type JobKey, type JobRecord, toJobMessage } from '@inkwell/contracts';
import type { Delivery } from '@inkwell/ports';
import { deadLetterReasonOf } from './claim-job.ts';
import type { WorkerContext } from './context.ts';
import { settleEnded } from './finish-job.ts';
import { persist } from './persist.ts';

/** Jobs seen to in one round. */
const atOnce = 64;

export interface RescueDesk {
  knows(key: JobKey): boolean;
  continueInterrupted(delivery: Delivery, record: JobRecord): void;
}

/** Stands for the message that is with the bus, or will be: settling it settles nothing. A job that is not taken over now lapses again. */
function standIn(record: JobRecord): Delivery {
  const nothing = async () => {};
  return { message: toJobMessage(record), attempt: 1, ack: nothing, retry: nothing, deadLetter: nothing };
}

export class Rescue {
  readonly #context: WorkerContext;
  readonly #desk: RescueDesk;
  /** What goes on behind the rounds: the bus may be away, and nothing else is to wait for it. */
  readonly #behind = new Set<JobKey>();
  #looking = false;

  constructor(context: WorkerContext, desk: RescueDesk) {
    this.#context = context;
    this.#desk = desk;
  }

  /** One that is still under way is not doubled. Rejects only when the worker stops. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const keys = await persist(this.#context, 'lapsed', () => this.#context.ports.lease.lapsed(atOnce));
      await Promise.all(keys.map((key) => this.#see(key)));
    } finally {
      this.#looking = false;
    }
  }

  async #see(key: JobKey): Promise<void> {
    if (this.#desk.knows(key)) return;
    const { ports } = this.#context;
    const record = await persist(this.#context, 'get', () => ports.jobStore.get(key));
    if (record === undefined || isTerminal(record.state)) return this.#close(key, record);
    if (this.#desk.knows(key)) return;
    this.#desk.continueInterrupted(standIn(record), record);
    this.#doBehind(key, () => ports.jobBus.publish(toJobMessage(record)));
  }

  /** Its lease must not come up again, unless we die before its end is told. */
  async #close(key: JobKey, record: JobRecord | undefined): Promise<void> {
    const { ports, workerId, limits } = this.#context;
    const taken = await ports.lease.acquire(key, workerId, limits.leaseTtlMs);
    if (taken === 'held') return;
    this.#doBehind(key, async () => {
      if (record !== undefined) await this.#tellEnd(record);
      await ports.lease.release(key, taken.fence);
    });
  }

  /** What is to be a dead letter goes to the bus for that: whoever is delivered it sees to the rest. */
  #tellEnd(record: JobRecord): Promise<void> {
    const delivery = standIn(record);
    const deadLetter = () => this.#context.ports.jobBus.publish(delivery.message);
    return settleEnded(this.#context, record, { ...delivery, deadLetter }, deadLetterReasonOf(record));
  }

  /** What could not be done when the worker stops is done by whoever finds the lease lapsed again. */
  #doBehind(key: JobKey, work: () => Promise<void>): void {
    if (this.#behind.has(key)) return;
    this.#behind.add(key);
    persist(this.#context, 'see to a lapsed job', work)
      .catch(() => {})
      .finally(() => this.#behind.delete(key));
  }
}
