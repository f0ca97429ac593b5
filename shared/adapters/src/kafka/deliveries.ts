/**
 * The messages one consumer holds, and what becomes of each. It is *delayed* (waits until it is due), *out* (handed out, not settled), *settling*
 * (being written elsewhere) or *gone* (finished, or with somebody else). Messages of one key in a lane are one: the later ones share the fate of
 * the first. Whose the lanes are is decided elsewhere; while that is not known, nothing is handed out and nothing can be settled.
 */
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import type { JobKey, JobMessage } from '@inkwell/contracts';
import type { Clock, ConsumeOptions, Delivery } from '@inkwell/ports';
import type { KafkaLog } from './client.ts';
import type { PartitionProgress } from './progress.ts';

export interface Lane {
  index: number;
  /** By topic. */
  progress: Map<string, PartitionProgress>;
  held: Map<JobKey, Held>;
  /** False once the lane is somebody else's. */
  ours: boolean;
}

export interface Held {
  readonly message: JobMessage;
  readonly lane: Lane;
  /** Where it stands: once, and once more for every repetition. */
  readonly offsets: { progress: PartitionProgress; offset: number }[];
  /** Of the delivery that is out, or of the next. */
  attempt: number;
  /** Times we handed it out. */
  handouts: number;
  state: 'delayed' | 'out' | 'settling' | 'gone';
  delivery?: Delivery;
  timer?: NodeJS.Timeout;
}

export interface ReadMessage {
  lane: Lane;
  progress: PartitionProgress;
  offset: number;
  message: JobMessage;
  /** Number of the delivery it becomes. */
  attempt: number;
  isRetry: boolean;
  /** Unix milliseconds. */
  dueAt: number;
}

export interface DeliveriesOptions {
  consumer: Pick<ConsumeOptions, 'onDelivery' | 'onTakenBack'>;
  clock: Clock;
  log: KafkaLog;
  /** Resolve when durable. */
  writeRetry(retry: { message: JobMessage; attempt: number; dueAt: number; reason: string }): Promise<void>;
  writeDeadLetter(letter: { message: JobMessage; reason: string; attempts: number }): Promise<void>;
  /** Something was handed out or finished here. */
  onProgress(progress: PartitionProgress): void;
}

/** Pause before a delivery that failed on our side is tried again. */
const repairDelayMs = 1000;
const longestTimerMs = 2 ** 31 - 1;

export class Deliveries {
  readonly #options: DeliveriesOptions;
  /** Under way: what they settle is to be in the commit before a lane may go. */
  readonly #writing = new Set<Promise<void>>();
  /** Set while it is not known whose the lanes are. */
  #hold: PromiseWithResolvers<void> | undefined = Promise.withResolvers();
  #closed = false;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  get held(): boolean {
    return this.#hold !== undefined;
  }

  /** Nothing is handed out or settled until `proceed`. */
  hold(): void {
    this.#hold ??= Promise.withResolvers();
  }

  proceed(): void {
    this.#hold?.resolve();
    this.#hold = undefined;
  }

  /** Nothing is handed out any more; who wants to settle finds that it changes nothing. */
  close(lanes: Iterable<Lane>): void {
    this.#closed = true;
    for (const lane of lanes) for (const held of lane.held.values()) giveUp(held);
    this.#hold?.resolve();
  }

  /** Writes what settles a message; `written` waits for it. */
  async write(write: () => Promise<void>): Promise<void> {
    const written = write();
    this.#writing.add(written);
    try {
      await written;
    } finally {
      this.#writing.delete(written);
    }
  }

  /** Resolves when what is being settled is written, or after the time: the group does not wait long for a member. */
  async written(mostMs: number): Promise<void> {
    if (this.#writing.size === 0) return;
    const patience = wait(mostMs, undefined, { ref: false });
    // One turn more, in which the settled are finished.
    await Promise.race([Promise.allSettled(this.#writing).then(() => nextTurn()), patience]);
  }

  /** The lane is with somebody else, and all it holds. */
  drop(lane: Lane): void {
    lane.ours = false;
    for (const held of lane.held.values()) {
      const { state, delivery } = held;
      giveUp(held);
      if (state === 'out' && delivery !== undefined) this.#tellTakenBack(delivery);
    }
  }

  /** Holds what was read, and hands it out when it is due. */
  take({ lane, progress, offset, message, attempt, isRetry, dueAt }: ReadMessage): void {
    const known = lane.held.get(message.key);
    const isItsRetry = isRetry && known?.state === 'settling' && attempt > known.attempt;
    if (known !== undefined && !isItsRetry) {
      known.offsets.push({ progress, offset });
      for (let times = 0; times < known.handouts; times++) progress.handedOut(offset);
      this.#options.onProgress(progress);
      return;
    }
    const held: Held = { message, lane, offsets: [{ progress, offset }], attempt, handouts: 0, state: 'delayed' };
    lane.held.set(message.key, held);
    const delayMs = dueAt - this.#options.clock.now();
    if (delayMs <= 0) this.#handOut(held);
    else this.#handOutLater(held, delayMs);
  }

  #handOutLater(held: Held, delayMs: number): void {
    // Timers may fire a millisecond early.
    const firstMs = Math.min(Math.ceil(delayMs) + 1, longestTimerMs);
    held.timer = setTimeout(() => {
      if (delayMs > firstMs) this.#handOutLater(held, delayMs - firstMs);
      else this.#handOut(held);
    }, firstMs);
  }

  #handOut(held: Held): void {
    // First, for a closing consumer is held for ever.
    if (held.state !== 'delayed') return;
    if (this.#hold !== undefined) {
      void this.#hold.promise.then(() => this.#handOut(held));
      return;
    }
    held.state = 'out';
    held.handouts++;
    for (const { progress, offset } of held.offsets) {
      progress.handedOut(offset);
      this.#options.onProgress(progress);
    }
    const delivery = this.#delivery(held);
    held.delivery = delivery;
    try {
      this.#options.consumer.onDelivery(delivery);
    } catch (error) {
      this.#options.log.error({ err: error }, 'a consumer threw on a delivery; it is delivered again');
      this.#putBack(held);
    }
  }

  /** Only the delivery that is out now can settle its message; one that was taken back changes nothing. */
  #delivery(held: Held): Delivery {
    const { message, attempt } = held;
    const { writeRetry, writeDeadLetter, clock } = this.#options;
    const settle = async (write: () => Promise<void>) => {
      while (this.#hold !== undefined && !this.#closed) await this.#hold.promise;
      if (held.state !== 'out' || held.attempt !== attempt) return;
      held.state = 'settling';
      try {
        await this.write(write);
        this.#finish(held);
      } catch (error) {
        this.#putBack(held);
        throw error;
      }
    };
    return {
      message,
      attempt,
      ack: () => settle(async () => {}),
      retry: (reason, delayMs) => {
        const dueAt = clock.now() + delayMs;
        return settle(() => writeRetry({ message, attempt: attempt + 1, dueAt, reason }));
      },
      deadLetter: (reason) => settle(() => writeDeadLetter({ message, reason, attempts: attempt })),
    };
  }

  #finish(held: Held): void {
    giveUp(held);
    if (held.lane.held.get(held.message.key) === held) held.lane.held.delete(held.message.key);
    if (!held.lane.ours) return;
    for (const { progress, offset } of held.offsets) {
      progress.finish(offset);
      this.#options.onProgress(progress);
    }
  }

  /** What could not be settled is delivered again, unless its retry was written after all. */
  #putBack(held: Held): void {
    if (held.state === 'gone') return;
    if (held.lane.held.get(held.message.key) !== held) {
      this.#finish(held);
      return;
    }
    held.state = 'delayed';
    held.attempt++;
    this.#handOutLater(held, repairDelayMs);
  }

  #tellTakenBack(delivery: Delivery): void {
    try {
      this.#options.consumer.onTakenBack(delivery);
    } catch (error) {
      this.#options.log.error({ err: error }, 'a consumer threw');
    }
  }
}

function giveUp(held: Held): void {
  clearTimeout(held.timer);
  held.state = 'gone';
}
