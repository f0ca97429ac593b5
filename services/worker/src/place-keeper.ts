/**
 * Keeps as many places on offer as the engine has free, so that jobs come straight to it instead of over the bus. What is on offer is renewed
 * long before it runs out, raised when half of it is gone, and lowered when something else has taken the room; one call at a time.
 */
import type { Logger } from '@inkwell/observability';
import type { HandedJob, Handoff, PlaceOffer } from '@inkwell/ports';
import { withDeadline } from '@inkwell/resilience';

/** A worker that has stopped is handed no job for longer. */
const offerTtlMs = 1_500;
const renewMs = 500;

export interface PlaceKeeperOptions {
  workerId: string;
  leaseTtlMs: number;
  /** Sequences that could begin now. */
  free(): number;
  onJob(job: HandedJob): void;
  log: Logger;
}

export class PlaceKeeper {
  readonly #offer: PlaceOffer;
  readonly #options: PlaceKeeperOptions;
  readonly #timer: NodeJS.Timeout;
  #offering: Promise<void> | undefined;
  #looking = false;
  #closed = false;

  private constructor(offer: PlaceOffer, options: PlaceKeeperOptions) {
    this.#offer = offer;
    this.#options = options;
    this.#timer = setInterval(() => void this.#set(options.free()), renewMs);
  }

  static async open(handoff: Handoff, options: PlaceKeeperOptions): Promise<PlaceKeeper> {
    const { workerId, leaseTtlMs, onJob } = options;
    return new PlaceKeeper(await handoff.receive({ workerId, offerTtlMs, leaseTtlMs, onJob }), options);
  }

  /** The engine may have more or less room than before. Looked at once all that happens in this turn has happened. */
  changed(): void {
    if (this.#looking) return;
    this.#looking = true;
    setImmediate(() => {
      this.#looking = false;
      const free = this.#options.free();
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
  }

  /** A call that fails is made up for by the next. */
  async #set(places: number): Promise<void> {
    if (this.#closed || this.#offering !== undefined) return;
    this.#offering = withDeadline(this.#offer.offer(places), 'offer places', offerTtlMs).then(
      () => this.changed(),
      (error: unknown) =>
        this.#options.log.debug({ err: error }, 'places could not be offered; the next offer follows'),
    );
    await this.#offering;
    this.#offering = undefined;
  }
}
