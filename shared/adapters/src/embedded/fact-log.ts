/**
 * FactLog inside one process, its facts in the embedded database. Each group has one place and one consumer at work at a time; when that one
 * leaves, the next goes on from the place, so what it hadn't settled comes again.
 */
import type { Fact } from '@inkwell/contracts';
import type { FactConsumer, FactLog } from '@inkwell/ports';
import type { Connection } from './connection.ts';
import type { Database, StoreLog } from './database.ts';
import type { FactRow } from './operations/facts.ts';

/** Most facts handed over at once. */
const batchSize = 500;
/** Facts are gathered this long, so that a trickle of them doesn't cost the disk a sync each. */
const lingerMs = 50;
const firstPauseMs = 50;
const longestPauseMs = 2_000;

type PlacedRow = FactRow & { place: number };

function readAfter(connection: Connection, place: number): PlacedRow[] {
  return connection.all<PlacedRow>('SELECT * FROM facts WHERE place > ? ORDER BY place LIMIT ?', place, batchSize);
}

function toFact({ id, kind, subject, at, body }: FactRow): Fact {
  return { version: 1, id, kind, subject, at, body: JSON.parse(body) };
}

class Group {
  readonly #name: string;
  readonly #database: Database;
  readonly #log: StoreLog | undefined;
  readonly #consumers: FactConsumer[] = [];
  #place: number;
  #working = false;
  /** Something may have come since it was looked. */
  #woken = false;
  /** In a row. */
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(name: string, database: Database, log: StoreLog | undefined) {
    this.#name = name;
    this.#database = database;
    this.#log = log;
    const known = database.read((connection) =>
      connection.get<{ place: number }>('SELECT place FROM fact_groups WHERE name = ?', name),
    );
    this.#place = known?.place ?? 0;
    database.closed.addEventListener('abort', () => clearTimeout(this.#timer));
  }

  join(consumer: FactConsumer): void {
    this.#consumers.push(consumer);
    const leave = () => {
      this.#consumers.splice(this.#consumers.indexOf(consumer), 1);
      this.wake(0);
    };
    consumer.signal.addEventListener('abort', leave, { once: true });
    this.wake(0);
  }

  wake(delayMs: number): void {
    this.#woken = true;
    if (this.#working || this.#timer !== undefined || this.#database.closed.aborted) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#work();
    }, delayMs);
  }

  async #work(): Promise<void> {
    this.#working = true;
    let pauseMs = 0;
    try {
      while (this.#woken) {
        this.#woken = false;
        while (await this.#next());
      }
    } catch (error) {
      pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#failures);
      this.#failures += 1;
      this.#log?.warn({ err: error, group: this.#name, pauseMs }, 'facts could not be consumed; they come again');
    }
    this.#working = false;
    if (pauseMs > 0) this.wake(pauseMs);
  }

  /** Hands over the next facts. False when there are none, or nobody to hand them to. */
  async #next(): Promise<boolean> {
    const consumer = this.#consumers[0];
    if (consumer === undefined || this.#database.closed.aborted) return false;
    const rows = this.#database.read((connection) => readAfter(connection, this.#place));
    const last = rows.at(-1);
    if (last === undefined) return false;
    await consumer.onFacts(rows.map(toFact));
    this.#failures = 0;
    await this.#database.write('advanceGroup', { group: this.#name, place: last.place });
    this.#place = last.place;
    return true;
  }
}

export function createFactLog(database: Database, log?: StoreLog): FactLog {
  const groups = new Map<string, Group>();
  return {
    async publish({ id, kind, subject, at, body }) {
      await database.write('publishFact', { id, kind, subject, at, body: JSON.stringify(body) });
      for (const group of groups.values()) group.wake(lingerMs);
    },

    async consume(consumer) {
      if (consumer.signal.aborted) return;
      const group = groups.get(consumer.group) ?? new Group(consumer.group, database, log);
      groups.set(consumer.group, group);
      group.join(consumer);
    },
  };
}
