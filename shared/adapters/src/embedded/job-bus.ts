/**
 * JobBus inside one process, its messages in the embedded database. Every delivery is counted durably before it is handed out; what was
 * not acknowledged when a consumer leaves goes to the next, and what was not when the process died is delivered after the start.
 */
import type { JobKey, JobMessage } from '@inkwell/contracts';
import type { Clock, ConsumeOptions, DeadLetter, Delivery, JobBus } from '@inkwell/ports';
import type { Database, StoreLog } from './database.ts';
import { DeliveryQueue, type Entry } from './delivery-queue.ts';

/** Pause before a delivery that failed on our side is tried again. */
const repairDelayMs = 1000;

export function createJobBus(database: Database, clock: Clock, log?: StoreLog): JobBus {
  return new EmbeddedJobBus(database, clock, log);
}

class EmbeddedJobBus implements JobBus {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: StoreLog | undefined;
  readonly #queue = new DeliveryQueue(() => void this.#handOut());
  #consumers: ConsumeOptions[] = [];
  #turn = 0;

  constructor(database: Database, clock: Clock, log: StoreLog | undefined) {
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
    type Row = { message: string; attempts: number };
    const rows = database.read((connection) =>
      connection.all<Row>('SELECT message, attempts FROM deliveries ORDER BY rowid'),
    );
    for (const row of rows) this.#queue.add(parse(row.message), row.attempts, false);
    database.closed.addEventListener('abort', () => this.#queue.close());
  }

  async publish(message: JobMessage): Promise<void> {
    // With a consumer at hand the first delivery follows at once: counting it here saves a commit.
    const counted = this.#consumers.length > 0;
    const body = JSON.stringify(message);
    const attempts = counted ? 1 : 0;
    const answer = await this.#database.write('publishMessage', { key: message.key, message: body, attempts });
    if (answer === 'waiting') return;
    const entry = this.#queue.add(parse(body), attempts, counted);
    if (counted) this.#give(entry);
    else void this.#handOut();
  }

  async consume(options: ConsumeOptions): Promise<void> {
    if (options.signal.aborted) return;
    this.#consumers.push(options);
    options.signal.addEventListener('abort', () => this.#dismiss(options), { once: true });
    await this.#handOut();
  }

  async announceCancel(key: JobKey): Promise<void> {
    for (const consumer of [...this.#consumers]) consumer.onCancel(key);
  }

  async deadLetters(limit: number): Promise<DeadLetter[]> {
    type Row = { message: string; reason: string; attempts: number; at: number };
    const rows = this.#database.read((connection) =>
      connection.all<Row>('SELECT message, reason, attempts, at FROM dead_letters ORDER BY number DESC LIMIT ?', limit),
    );
    return rows.map(({ message, reason, attempts, at }) => ({ message: parse(message), reason, attempts, at }));
  }

  async ping(): Promise<void> {
    this.#database.read((connection) => connection.get('SELECT 1'));
  }

  #dismiss(options: ConsumeOptions): void {
    this.#consumers = this.#consumers.filter((consumer) => consumer !== options);
    this.#queue.takeBack(options);
    void this.#handOut();
  }

  async #handOut(): Promise<void> {
    if (this.#consumers.length === 0) return;
    const due = this.#queue.due();
    const uncounted = due.filter((entry) => !entry.counted);
    for (const entry of due) {
      if (entry.counted) this.#give(entry);
      else entry.state = 'counting';
    }
    if (uncounted.length > 0) await this.#count(uncounted);
  }

  async #count(entries: readonly Entry[]): Promise<void> {
    try {
      await this.#database.write('countDeliveries', { keys: entries.map((entry) => entry.message.key) });
    } catch (error) {
      this.#log?.warn({ err: error }, 'deliveries could not be counted; they are tried again');
      for (const entry of entries) this.#queue.putBack(entry, repairDelayMs);
      return;
    }
    for (const entry of entries) {
      Object.assign(entry, { state: 'waiting', counted: true, attempts: entry.attempts + 1 });
      this.#give(entry);
    }
  }

  #give(entry: Entry): void {
    const consumer = this.#consumers[this.#turn++ % Math.max(1, this.#consumers.length)];
    if (consumer === undefined) return;
    entry.state = 'held';
    entry.holder = consumer;
    try {
      consumer.onDelivery(this.#delivery(entry));
    } catch (error) {
      this.#log?.error({ err: error }, 'a consumer threw on a delivery; it is delivered again');
      this.#queue.putBack(entry, repairDelayMs);
    }
  }

  /** Only the delivery that is out now can settle its message; one that was taken back changes nothing. */
  #delivery(entry: Entry): Delivery {
    const { message, attempts: attempt } = entry;
    const isOut = () => entry.state === 'held' && entry.attempts === attempt;
    return {
      message,
      attempt,
      ack: async () => {
        if (isOut()) await this.#settle(entry, this.#database.write('acknowledge', { key: message.key }));
      },
      retry: async (reason, delayMs) => {
        if (!isOut()) return;
        this.#log?.warn({ job: message.key, attempt, reason, delayMs }, 'a delivery is to be retried');
        this.#queue.putBack(entry, delayMs);
      },
      deadLetter: async (reason) => {
        if (!isOut()) return;
        const input = { key: message.key, reason, at: this.#clock.now() };
        await this.#settle(entry, this.#database.write('moveToDeadLetters', input));
      },
    };
  }

  async #settle(entry: Entry, written: Promise<void>): Promise<void> {
    entry.state = 'settling';
    try {
      await written;
      this.#queue.remove(entry);
    } catch (error) {
      this.#queue.putBack(entry, repairDelayMs);
      throw error;
    }
  }
}

function parse(body: string): JobMessage {
  return JSON.parse(body) as JobMessage;
}
