/**
 * One consumer of facts in its group: reads its partitions a little ahead and hands batches to the projection, one at a time. A batch that was
 * taken in is committed; one that was rejected comes again after a growing pause, and nothing behind it is told before.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type Fact, factSchema } from '@inkwell/contracts';
import type { FactConsumer as Projection } from '@inkwell/ports';
import type { KafkaMessage } from 'kafkajs';
import { type KafkaLog, reasonOf } from './client.ts';
import { GroupMember, type GroupTiming } from './group-member.ts';
import { committedOffsets, type Link, logOffsets, type Place, placeKey } from './link.ts';
import { LogReader, type ReadingPace } from './log-reader.ts';
import { decodeAll } from './messages.ts';

export interface FactConsumerOptions extends GroupTiming {
  projection: Projection;
  groupId: string;
  topic: string;
  partitions: number;
  groupLink: Link;
  readLink: Link;
  log: KafkaLog;
  /** Resolves when durable. */
  writeUnreadable(place: Place, message: KafkaMessage, reason: string): Promise<void>;
}

/** A message with its facts. */
interface Read {
  message: KafkaMessage;
  contents: ReturnType<typeof decodeAll<typeof factSchema>>;
}

interface Partition extends Place {
  /** Messages that were read and not taken in, in order, and how many facts they hold. */
  waiting: Read[];
  factCount: number;
  /** Of the first fact not taken in. */
  offset: number;
  /** False once the partition is somebody else's. */
  ours: boolean;
}

/** Nobody waits for a fact: many are written together. */
const pace: ReadingPace = { longPollMs: 500, shortPollMs: 100, minBytes: 524_288, pauseMs: 50 };
/** Beyond it only what is in one message with them. */
const mostFactsPerBatch = 2000;
/** Facts of one partition that wait here before reading it pauses. */
const readAhead = 1000;
const shortestPauseMs = 50;
const longestPauseMs = 5000;
/** How long a leaving consumer waits for a batch under way. */
const patienceMs = 1000;

export class FactConsumer {
  readonly #options: FactConsumerOptions;
  readonly #reader: LogReader;
  readonly #partitions = new Map<number, Partition>();
  readonly #closing = new AbortController();
  #member: GroupMember | undefined;
  #working: Promise<void> | undefined;
  #rebalancing = true;
  #left: Promise<void> | undefined;
  #failures = 0;

  constructor(options: FactConsumerOptions) {
    this.#options = options;
    const onMessages = (place: Place, messages: readonly KafkaMessage[]) => this.#take(place, messages);
    this.#reader = new LogReader({ link: options.readLink, log: options.log, pace, onMessages });
  }

  /** Resolves once the consumer has its share of the partitions. */
  async start(): Promise<void> {
    const { topic, partitions, groupLink, groupId, log, sessionTimeoutMs, heartbeatMs } = this.#options;
    this.#member = new GroupMember({
      ...{ link: groupLink, groupId, topics: [topic], laneCount: partitions, log, sessionTimeoutMs, heartbeatMs },
      onAssigned: (assigned) => this.#assign(assigned),
      onRebalance: () => this.#makeKnown(),
      onLost: () => this.#dropAll(),
    });
    await this.#member.joined;
  }

  /** A batch under way may end, if it does so soon; then the consumer leaves its group. */
  close(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #leave(): Promise<void> {
    this.#closing.abort();
    this.#reader.close();
    await this.#batchUnderWay(patienceMs);
    const last = this.#progress();
    this.#dropAll();
    await this.#member?.leave(() => last);
    await Promise.all([this.#options.groupLink.close(), this.#options.readLink.close()]);
  }

  async #assign(assigned: readonly number[]): Promise<void> {
    const { topic, groupId, groupLink, readLink } = this.#options;
    const places = assigned.map((partition) => ({ topic, partition }));
    const committed = await committedOffsets(groupLink, groupId, places);
    const isNew = places.filter((place) => (committed.get(placeKey(place))?.offset ?? -1) < 0);
    const earliest = await logOffsets(readLink, isNew, 'earliest');
    if (this.#closing.signal.aborted) return;
    this.#dropAll();
    this.#rebalancing = false;
    for (const place of places) {
      const known = committed.get(placeKey(place))?.offset ?? -1;
      const offset = known < 0 ? (earliest.get(placeKey(place)) ?? 0) : known;
      this.#partitions.set(place.partition, { ...place, waiting: [], factCount: 0, offset, ours: true });
      this.#reader.read(place, offset);
    }
  }

  /** The next owner shall repeat as little as can be. */
  async #makeKnown(): Promise<void> {
    this.#rebalancing = true;
    await this.#batchUnderWay(this.#options.sessionTimeoutMs / 2);
    await this.#member?.commit(this.#progress()).catch(() => {});
  }

  async #batchUnderWay(mostMs: number): Promise<void> {
    await Promise.race([this.#working, wait(mostMs, undefined, { ref: false })]);
  }

  #dropAll(): void {
    for (const partition of this.#partitions.values()) {
      partition.ours = false;
      this.#reader.drop(partition);
    }
    this.#partitions.clear();
  }

  #take(place: Place, messages: readonly KafkaMessage[]): void {
    const partition = this.#partitions.get(place.partition);
    if (partition === undefined) return;
    for (const message of messages) {
      const contents = decodeAll(factSchema, message.value);
      partition.waiting.push({ message, contents });
      partition.factCount += contents.length;
    }
    if (partition.factCount > readAhead) this.#reader.pause(partition);
    this.#working ??= this.#work();
  }

  async #work(): Promise<void> {
    // What the same fetch brought of other partitions goes along.
    await Promise.resolve();
    try {
      while (!this.#closing.signal.aborted && !this.#rebalancing) {
        const batch = this.#nextBatch();
        if (batch.length === 0) return;
        if (await this.#hasToldOf(batch)) await this.#takenIn(batch);
      }
    } finally {
      this.#working = undefined;
    }
  }

  /** False, after a pause, when it was rejected. */
  async #hasToldOf(batch: readonly { partition: Partition; count: number }[]): Promise<boolean> {
    try {
      await this.#tell(
        batch.flatMap(({ partition, count }) => partition.waiting.slice(0, count).map((read) => ({ partition, read }))),
      );
      this.#failures = 0;
      return true;
    } catch (error) {
      const pauseMs = Math.min(shortestPauseMs * 2 ** this.#failures++, longestPauseMs);
      const { group } = this.#options.projection;
      this.#options.log.warn(
        { group, reason: reasonOf(error), pauseMs },
        'facts were not taken in; they are told again',
      );
      await wait(pauseMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
      return false;
    }
  }

  /** How many messages of which partition; of every partition some, so that none waits for the others. */
  #nextBatch(): { partition: Partition; count: number }[] {
    const filled = [...this.#partitions.values()].filter(({ waiting }) => waiting.length > 0);
    const each = Math.max(1, Math.floor(mostFactsPerBatch / Math.max(1, filled.length)));
    return filled.map((partition) => {
      let facts = 0;
      const beyond = partition.waiting.findIndex(({ contents }, index) => {
        facts += contents.length;
        return index > 0 && facts > each;
      });
      return { partition, count: beyond === -1 ? partition.waiting.length : beyond };
    });
  }

  async #tell(reads: readonly { partition: Partition; read: Read }[]): Promise<void> {
    const facts: Fact[] = [];
    for (const { partition, read } of reads) {
      for (const content of read.contents) {
        if ('value' in content) facts.push(content.value);
        else await this.#putAside(partition, { ...read.message, value: content.bytes }, content.unreadable);
      }
    }
    if (facts.length > 0) await this.#options.projection.onFacts(facts);
  }

  async #putAside({ topic, partition }: Place, message: KafkaMessage, reason: string): Promise<void> {
    this.#options.log.error({ topic, partition, offset: message.offset, reason }, 'unreadable fact');
    await this.#options.writeUnreadable({ topic, partition }, message, reason);
  }

  async #takenIn(batch: readonly { partition: Partition; count: number }[]): Promise<void> {
    for (const { partition, count } of batch) {
      const taken = partition.waiting.splice(0, count);
      for (const { contents } of taken) partition.factCount -= contents.length;
      const last = taken.at(-1);
      if (last !== undefined) partition.offset = Number(last.message.offset) + 1;
      if (partition.ours && partition.factCount < readAhead / 2) this.#reader.resume(partition);
    }
    await this.#member?.commit(this.#progress()).catch((error) => {
      this.#options.log.warn({ reason: reasonOf(error) }, 'what was taken in could not be committed yet');
    });
  }

  #progress() {
    return [...this.#partitions.values()].map(({ topic, partition, offset }) => ({
      topic,
      partition,
      offset,
      metadata: '',
    }));
  }
}
