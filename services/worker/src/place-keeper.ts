/**
 * Keeps as many places on offer as the engine has free, so that jobs come straight to it instead of over the bus. What is on offer is renewed
 * long before it runs out, raised when half of it is gone, and lowered when something else has taken the room; one call at a time.
 */
import type { Delivery, HandedJob, Handoff, PlaceOffer } from '@inkwell/ports';
import { withDeadline } from '@inkwell/resilience';
import type { WorkerContext } from './context.ts';
import { HandedDeliveries } from './handed-deliveries.ts';

/** A worker that has stopped is handed no job for longer. */
const offerTtlMs = 1_500;
const renewMs = 500;

export interface PlaceKeeperDesk {
  /** Sequences that could begin now. */
  readonly freePlaces: number;
  receive(job: HandedJob, delivery: Delivery): void;
}

export class PlaceKeeper {
  readonly #context: WorkerContext;
  readonly #desk: PlaceKeeperDesk;
  readonly #offer: PlaceOffer;
  readonly #deliveries: HandedDeliveries;
  readonly #timer: NodeJS.Timeout;
  #offering: Promise<void> | undefined;
  #looking = false;
  #closed = false;

  private constructor(context: WorkerContext, desk: PlaceKeeperDesk, offer: PlaceOffer, deliveries: HandedDeliveries) {
    this.#context = context;
    this.#desk = desk;
    this.#offer = offer;
    this.#deliveries = deliveries;
    this.#timer = setInterval(() => void this.#set(desk.freePlaces), renewMs);
  }

  static async open(context: WorkerContext, handoff: Handoff, desk: PlaceKeeperDesk): Promise<PlaceKeeper> {
    const { workerId, ports, limits, log } = context;
    const deliveries = new HandedDeliveries({ handoff, jobBus: ports.jobBus, log });
    const onJob = (job: HandedJob) => desk.receive(job, deliveries.of(job.record));
    const offer = await handoff.receive({ workerId, offerTtlMs, leaseTtlMs: limits.leaseTtlMs, onJob });
    return new PlaceKeeper(context, desk, offer, deliveries);
  }

  /** The engine may have more or less room than before. Looked at once all that happens in this turn has happened. */
  changed(): void {
    if (this.#looking) return;
    this.#looking = true;
    setImmediate(() => {
      this.#looking = false;
      const free = this.#desk.freePlaces;
      const { open } = this.#offer;
      if (open > free || open < free / 2) void this.#set(free);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#offering;
    await withDeadline(this.#offer.close(), 'withdraw places', offerTtlMs).catch(() => {});
    await this.#deliveries.close();
  }

  /** A call that fails is made up for by the next. */
  async #set(places: number): Promise<void> {
    if (this.#closed || this.#offering !== undefined) return;
    this.#offering = withDeadline(this.#offer.offer(places), 'offer places', offerTtlMs).then(
      () => this.changed(),
      (error: unknown) =>
        this.#context.log.debug({ err: error }, 'places could not be offered; the next offer follows'),
    );
    await this.#offering;
    this.#offering = undefined;
  }
}
