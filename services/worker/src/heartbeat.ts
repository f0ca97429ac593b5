/**
 * Tells the registry twice a second that this worker lives and how it is, and passes on what is asked of it. A beat that fails is only
 * logged: the next one comes soon, and a worker nobody can see still works.
 */
import type { Logger } from '@inkwell/observability';
import type { WorkerRegistry, WorkerReport, WorkerWish } from '@inkwell/ports';
import { withDeadline } from '@inkwell/resilience';

const beatMs = 500;
/** A worker is forgotten after four missed beats. */
export const ttlMs = 2_500;
const goodbyeMs = 1_000;

export class Heartbeat {
  readonly #registry: WorkerRegistry;
  readonly #report: () => WorkerReport;
  readonly #onWish: (wish: WorkerWish) => void;
  readonly #confirm: () => Promise<void>;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #beating = false;
  #closed = false;

  /** @param confirm done with every beat */
  constructor(
    registry: WorkerRegistry,
    report: () => WorkerReport,
    onWish: (wish: WorkerWish) => void,
    confirm: () => Promise<void>,
    log: Logger,
  ) {
    this.#registry = registry;
    this.#report = report;
    this.#onWish = onWish;
    this.#confirm = confirm;
    this.#log = log;
    this.#timer = setInterval(() => void this.beat(), beatMs);
    void this.beat();
  }

  /** Also called out of turn, when something changed that others should know at once. */
  async beat(): Promise<void> {
    if (this.#beating || this.#closed) return;
    this.#beating = true;
    try {
      const beat = Promise.all([this.#registry.heartbeat(this.#report(), ttlMs), this.#confirm()]);
      const [wish] = await withDeadline(beat, 'heartbeat', ttlMs);
      if (!this.#closed) this.#onWish(wish);
    } catch (error) {
      if (!this.#closed) this.#log.warn({ err: error }, 'a heartbeat failed; the next one follows');
    } finally {
      this.#beating = false;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    await withDeadline(this.#registry.leave(this.#report().id), 'leave', goodbyeMs).catch(() => {});
  }
}
