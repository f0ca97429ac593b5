/**
 * Reads partitions onward from given offsets, one long-polling fetch per broker at a time. It knows no group: who may read what, and what is
 * done with, is decided elsewhere. A partition's messages come in order and each once, unless its place is set anew.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Cluster, KafkaMessage } from 'kafkajs';
import { type KafkaLog, reasonOf } from './client.ts';
import { type FetchedTopic, FetchSession } from './fetch-session.ts';
import { byTopic, errorType, type Link, logOffsets, type Place, placeKey } from './link.ts';

/** How many messages share a fetch, at the price of how late they are. */
export interface ReadingPace {
  /** Longest a broker waits for enough to come; also how late a partition may be asked for that became wanted unforeseen. */
  longPollMs: number;
  /** The same, while reading is suspended or a partition is paused: it will soon be wanted. */
  shortPollMs: number;
  /** What is enough. */
  minBytes: number;
  /** Pause after a fetch that brought something, before the next. */
  pauseMs: number;
}

export interface LogReaderOptions {
  link: Link;
  log: KafkaLog;
  pace: ReadingPace;
  onMessages(place: Place, messages: readonly KafkaMessage[]): void;
}

interface Cursor extends Place {
  /** Of the next message. */
  offset: number;
  paused: boolean;
  /** Also read while the reader is suspended. */
  always: boolean;
}

const longestPauseMs = 1000;
/** The broker Kafka names when a partition has no leader; asking it fails, so it is looked up anew. */
const nobody = '-1';

export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #cursors = new Map<string, Cursor>();
  /** Brokers with a fetch under way. */
  readonly #busy = new Set<string>();
  readonly #sessions = new Map<string, FetchSession>();
  readonly #closing = new AbortController();
  #suspended = false;
  #recovering = false;
  #failures = 0;

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  /** Reads the partition from this offset on. */
  read(place: Place, offset: number, { always = false } = {}): void {
    const { topic, partition } = place;
    this.#cursors.set(placeKey(place), { topic, partition, offset, paused: false, always });
    void this.#round();
  }

  drop(place: Place): void {
    this.#cursors.delete(placeKey(place));
  }

  pause(place: Place): void {
    const cursor = this.#cursors.get(placeKey(place));
    if (cursor !== undefined) cursor.paused = true;
  }

  resume(place: Place): void {
    const cursor = this.#cursors.get(placeKey(place));
    if (cursor === undefined || !cursor.paused) return;
    cursor.paused = false;
    void this.#round();
  }

  /** Nothing is handed on (but for partitions that are always read) until `proceed`. */
  suspend(): void {
    this.#suspended = true;
  }

  proceed(): void {
    this.#suspended = false;
    void this.#round();
  }

  close(): void {
    this.#closing.abort();
    this.#cursors.clear();
  }

  /** Starts a fetch for every broker that has none under way and leads something to be read. */
  async #round(): Promise<void> {
    if (this.#closing.signal.aborted || !this.#anyActive()) return;
    try {
      const byLeader = await this.#options.link.use(async (cluster) => groupByLeader(cluster, this.#active()));
      for (const [nodeId, cursors] of byLeader) if (!this.#busy.has(nodeId)) void this.#fetch(nodeId, cursors);
    } catch (error) {
      // One repetition, however many rounds failed meanwhile.
      if (this.#recovering) return;
      this.#recovering = true;
      await this.#recover(error);
      this.#recovering = false;
      void this.#round();
    }
  }

  async #fetch(nodeId: string, cursors: readonly Cursor[]): Promise<void> {
    this.#busy.add(nodeId);
    try {
      const asked = cursors.map(({ topic, partition, offset }) => ({ topic, partition, offset }));
      const { minBytes } = this.#options.pace;
      const fetched = await this.#options.link.use(async (cluster) => {
        const broker = await cluster.findBroker({ nodeId });
        return this.#session(nodeId).fetch(broker, asked, { maxWaitMs: this.#pollMs(), minBytes });
      });
      this.#failures = 0;
      const askedAt = new Map(asked.map((one) => [placeKey(one), one.offset]));
      let brought = false;
      for (const { topicName, partitions } of fetched) {
        for (const one of partitions) brought = this.#handOn(topicName, one, askedAt) || brought;
      }
      if (brought) await wait(this.#options.pace.pauseMs, undefined, { signal: this.#closing.signal }).catch(() => {});
    } catch (error) {
      await this.#recover(error);
    } finally {
      this.#busy.delete(nodeId);
      void this.#round();
    }
  }

  #session(nodeId: string): FetchSession {
    const session = this.#sessions.get(nodeId) ?? new FetchSession();
    this.#sessions.set(nodeId, session);
    return session;
  }

  #pollMs(): number {
    const { longPollMs, shortPollMs } = this.#options.pace;
    return this.#suspended || this.#cursors.values().some(({ paused }) => paused) ? shortPollMs : longPollMs;
  }

  /** Answers whether there was something. */
  #handOn(
    topic: string,
    { partition, messages }: FetchedTopic['partitions'][number],
    askedAt: ReadonlyMap<string, number>,
  ): boolean {
    const place = { topic, partition };
    const cursor = this.#cursors.get(placeKey(place));
    // It may have been dropped, paused or set elsewhere while the fetch was under way.
    if (cursor === undefined || !this.#isActive(cursor) || cursor.offset !== askedAt.get(placeKey(place))) return false;
    const fresh = messages.filter(({ offset }) => Number(offset) >= cursor.offset);
    const last = fresh.at(-1);
    if (last === undefined) return false;
    cursor.offset = Number(last.offset) + 1;
    this.#options.onMessages(
      place,
      fresh.filter(({ isControlRecord }) => isControlRecord !== true),
    );
    return true;
  }

  async #recover(error: unknown): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const pauseMs = Math.min(25 * 2 ** this.#failures++, longestPauseMs);
    this.#options.log.warn({ reason: reasonOf(error), pauseMs }, 'reading from Kafka failed; it goes on by itself');
    try {
      if (errorType(error) === 'OFFSET_OUT_OF_RANGE') await this.#comeBackIntoRange();
      await wait(pauseMs, undefined, { signal: this.#closing.signal, ref: false });
    } catch {
      // Closing, or the next round meets the same trouble.
    }
  }

  /** The broker no longer has what we wanted to read next, or not yet: retention was too short, or it lost its log's end. */
  async #comeBackIntoRange(): Promise<void> {
    const places = [...this.#cursors.values()];
    const earliest = await logOffsets(this.#options.link, places, 'earliest');
    const latest = await logOffsets(this.#options.link, places, 'latest');
    for (const cursor of this.#cursors.values()) {
      const [low, high] = [earliest.get(placeKey(cursor)), latest.get(placeKey(cursor))];
      if (low === undefined || high === undefined) continue;
      const offset = Math.min(Math.max(cursor.offset, low), high);
      if (offset === cursor.offset) continue;
      const fields = { topic: cursor.topic, partition: cursor.partition, from: cursor.offset, to: offset };
      this.#options.log.error(fields, 'messages are missing in Kafka; reading goes on behind the gap');
      cursor.offset = offset;
    }
  }

  #isActive(cursor: Cursor): boolean {
    return !cursor.paused && (!this.#suspended || cursor.always);
  }

  #active(): Cursor[] {
    return [...this.#cursors.values()].filter((cursor) => this.#isActive(cursor));
  }

  #anyActive(): boolean {
    return this.#cursors.values().some((cursor) => this.#isActive(cursor));
  }
}

function groupByLeader(cluster: Cluster, cursors: readonly Cursor[]): Map<string, Cursor[]> {
  const leaders = new Map<string, string>();
  for (const { topic, partitions } of byTopic(cursors)) {
    for (const [nodeId, led] of Object.entries(cluster.findLeaderForPartitions(topic, partitions))) {
      for (const partition of led) leaders.set(placeKey({ topic, partition: Number(partition) }), nodeId);
    }
  }
  return Map.groupBy(cursors, (cursor) => leaders.get(placeKey(cursor)) ?? nobody);
}
