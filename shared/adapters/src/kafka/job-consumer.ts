/**
 * One consumer of jobs: has a share of the lanes, reads them ahead to their end, and commits how far it has got, so that their next owner repeats
 * nothing that is finished. What becomes of each message in between is told in `deliveries.ts`.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { type JobKey, jobMessageSchema } from '@inkwell/contracts';
import type { ConsumeOptions } from '@inkwell/ports';
import type { KafkaMessage } from 'kafkajs';
import { reasonOf } from './client.ts';
import { Deliveries, type DeliveriesOptions, type Held, type Lane } from './deliveries.ts';
import { GroupMember, type GroupTiming } from './group-member.ts';
import { committedOffsets, type Link, logOffsets, type Place, placeKey } from './link.ts';
import { LogReader, type ReadingPace } from './log-reader.ts';
import { cancelMessageSchema, decode, retryMessageSchema } from './messages.ts';
import { markOf, PartitionProgress } from './progress.ts';
import { laneTopics, type TopicNames } from './topics.ts';

export interface JobConsumerOptions extends GroupTiming, Omit<DeliveriesOptions, 'consumer' | 'onProgress'> {
  consumer: ConsumeOptions;
  groupId: string;
  names: TopicNames;
  laneCount: number;
  /** Messages of one partition that may be held before reading it pauses. */
  readAhead: number;
  /** Unique among all consumers, ever; stands in what we commit. No spaces. */
  mark: string;
  /** For group and progress; for reading. A join may block its connection, as may a fetch. */
  groupLink: Link;
  readLink: Link;
  /** Resolves when durable. */
  writeUnreadable(place: Place, message: KafkaMessage, reason: string): Promise<void>;
  onRebalanced(): void;
}

/** At once; but what comes within two milliseconds comes together, for a fetch costs more than a message. */
const pace: ReadingPace = { longPollMs: 400, shortPollMs: 100, minBytes: 1, pauseMs: 2 };
const commitEveryMs = 250;
/** Pause before unreadable bytes that could not be put aside are tried again. */
const repairDelayMs = 1000;

export class JobConsumer {
  readonly #options: JobConsumerOptions;
  readonly #topics: [string, ...string[]];
  readonly #reader: LogReader;
  readonly #deliveries: Deliveries;
  readonly #lanes = new Map<number, Lane>();
  readonly #dirty = new Set<PartitionProgress>();
  #member: GroupMember | undefined;
  #commitTimer: NodeJS.Timeout | undefined;
  #committing: Promise<void> = Promise.resolve();
  #closed = false;
  #left: Promise<void> | undefined;

  constructor(options: JobConsumerOptions) {
    this.#options = options;
    this.#topics = laneTopics(options.names);
    const onMessages = (place: Place, messages: readonly KafkaMessage[]) => this.#take(place, messages);
    this.#reader = new LogReader({ link: options.readLink, log: options.log, pace, onMessages });
    this.#deliveries = new Deliveries({ ...options, onProgress: (progress) => this.#mark(progress) });
  }

  /** Resolves once the consumer has its share of the lanes and hears of cancels. */
  async start(): Promise<void> {
    const { names, readLink, groupLink, groupId, laneCount, log, sessionTimeoutMs, heartbeatMs } = this.#options;
    const cancels = { topic: names.cancels, partition: 0 };
    const ends = await logOffsets(readLink, [cancels], 'latest');
    if (this.#closed) return;
    this.#reader.read(cancels, ends.get(placeKey(cancels)) ?? 0, { always: true });
    this.#reader.suspend();
    this.#member = new GroupMember({
      ...{ link: groupLink, groupId, topics: this.#topics, laneCount, log, sessionTimeoutMs, heartbeatMs },
      onAssigned: (lanes) => this.#assign(lanes),
      onRebalance: () => this.#makeKnown(),
      onLost: () => {
        this.#beginRebalance();
        for (const lane of [...this.#lanes.values()]) this.#drop(lane);
      },
    });
    await this.#member.joined;
  }

  /** Hands nothing out any more and leaves the group; what is held goes to others. */
  close(): Promise<void> {
    this.#left ??= this.#leave();
    return this.#left;
  }

  async #leave(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#commitTimer);
    this.#reader.close();
    const last = [...this.#lanes.values()].flatMap((lane) => [...lane.progress.values()]);
    this.#deliveries.close(this.#lanes.values());
    await Promise.all([this.#committing, this.#written()]);
    await this.#member?.leave(() => last.map((progress) => this.#committable(progress)));
    await Promise.all([this.#options.groupLink.close(), this.#options.readLink.close()]);
  }

  /** These lanes are ours: what we had of them goes on, what is new begins where its last owner left it. */
  async #assign(indexes: readonly number[]): Promise<void> {
    const { groupId, groupLink, readLink, mark, onRebalanced } = this.#options;
    const places = indexes.flatMap((partition) => this.#topics.map((topic) => ({ topic, partition })));
    const committed = await committedOffsets(groupLink, groupId, places);
    const isNew = places.filter((place) => (committed.get(placeKey(place))?.offset ?? -1) < 0);
    const earliest = await logOffsets(readLink, isNew, 'earliest');
    // If somebody else had a lane in between, their mark is in it and what we know of it is out of date.
    const kept = indexes.filter((index) =>
      this.#topics.every(
        (topic) => markOf(committed.get(placeKey({ topic, partition: index }))?.metadata ?? '') === mark,
      ),
    );
    for (const lane of [...this.#lanes.values()]) if (!kept.includes(lane.index)) this.#drop(lane);
    const gained = indexes
      .filter((index) => !this.#lanes.has(index))
      .map((index) => {
        const start = (topic: string) => {
          const key = placeKey({ topic, partition: index });
          const { offset = -1, metadata = '' } = committed.get(key) ?? {};
          return new PartitionProgress(topic, index, offset < 0 ? (earliest.get(key) ?? 0) : offset, metadata);
        };
        const progress = new Map(this.#topics.map((topic) => [topic, start(topic)]));
        return { index, progress, held: new Map<JobKey, Held>(), ours: true };
      });
    // Before anything is handed out, so that nobody can take our word for theirs.
    const claims = gained.flatMap(({ progress }) => [...progress.values()]);
    await this.#member?.commit(claims.map((progress) => this.#committable(progress)));
    if (this.#closed) return;
    onRebalanced();
    for (const lane of gained) {
      this.#lanes.set(lane.index, lane);
      for (const { topic, partition, next } of lane.progress.values()) this.#reader.read({ topic, partition }, next);
    }
    this.#deliveries.proceed();
    this.#reader.proceed();
    this.#scheduleCommit();
  }

  async #makeKnown(): Promise<void> {
    this.#beginRebalance();
    clearTimeout(this.#commitTimer);
    this.#commitTimer = undefined;
    await Promise.all([this.#committing, this.#written()]);
    await this.#commit().catch(() => {});
  }

  #written(): Promise<void> {
    return this.#deliveries.written(this.#options.sessionTimeoutMs / 2);
  }

  #beginRebalance(): void {
    this.#deliveries.hold();
    this.#reader.suspend();
  }

  #drop(lane: Lane): void {
    this.#lanes.delete(lane.index);
    for (const progress of lane.progress.values()) {
      this.#dirty.delete(progress);
      this.#reader.drop(progress);
    }
    this.#deliveries.drop(lane);
  }

  #take(place: Place, messages: readonly KafkaMessage[]): void {
    if (this.#closed) return;
    if (place.topic === this.#options.names.cancels) {
      this.#takeCancels(messages);
      return;
    }
    const lane = this.#lanes.get(place.partition);
    const progress = lane?.progress.get(place.topic);
    if (lane === undefined || progress === undefined) return;
    const isRetry = place.topic === this.#options.names.retries;
    for (const message of messages) {
      const offset = Number(message.offset);
      const before = progress.read(offset);
      if (before === 'finished') {
        this.#mark(progress);
        continue;
      }
      const decoded = isRetry ? decode(retryMessageSchema, message.value) : decode(jobMessageSchema, message.value);
      if ('unreadable' in decoded) void this.#bury(lane, progress, message, decoded.unreadable);
      else {
        const { value } = decoded;
        const { message: job, attempt, dueAt } = 'message' in value ? value : { message: value, attempt: 1, dueAt: 0 };
        this.#deliveries.take({ lane, progress, offset, message: job, attempt: attempt + before, isRetry, dueAt });
      }
    }
    if (progress.unfinished > this.#options.readAhead) this.#reader.pause(progress);
  }

  #takeCancels(messages: readonly KafkaMessage[]): void {
    for (const message of messages) {
      const decoded = decode(cancelMessageSchema, message.value);
      if ('value' in decoded) this.#tellCancel(decoded.value.key);
      else this.#options.log.warn({ reason: decoded.unreadable }, 'a cancel could not be read');
    }
  }

  /** Unreadable bytes are put aside, and only then done with. */
  async #bury(lane: Lane, progress: PartitionProgress, message: KafkaMessage, reason: string): Promise<void> {
    const offset = Number(message.offset);
    this.#options.log.error(
      { topic: progress.topic, partition: progress.partition, offset, reason },
      'unreadable message',
    );
    while (lane.ours && !this.#closed) {
      try {
        await this.#deliveries.write(() => this.#options.writeUnreadable(progress, message, reason));
        if (lane.ours) {
          progress.finish(offset);
          this.#mark(progress);
        }
        return;
      } catch (error) {
        this.#options.log.warn(
          { reason: reasonOf(error) },
          'an unreadable message could not be put aside; it is tried again',
        );
        await wait(repairDelayMs, undefined, { ref: false });
      }
    }
  }

  #tellCancel(key: JobKey): void {
    try {
      this.#options.consumer.onCancel(key);
    } catch (error) {
      this.#options.log.error({ err: error }, 'a consumer threw');
    }
  }

  #mark(progress: PartitionProgress): void {
    if (progress.unfinished <= this.#options.readAhead / 2) this.#reader.resume(progress);
    this.#dirty.add(progress);
    this.#scheduleCommit();
  }

  #scheduleCommit(): void {
    if (this.#closed || this.#deliveries.held || this.#dirty.size === 0) return;
    this.#commitTimer ??= setTimeout(() => {
      this.#commitTimer = undefined;
      this.#committing = this.#commit()
        .catch((error) => this.#options.log.warn({ reason: reasonOf(error) }, 'progress could not be committed yet'))
        .then(() => this.#scheduleCommit());
    }, commitEveryMs);
  }

  async #commit(): Promise<void> {
    const changed = [...this.#dirty];
    this.#dirty.clear();
    try {
      await this.#member?.commit(changed.map((progress) => this.#committable(progress)));
    } catch (error) {
      for (const progress of changed) if (this.#lanes.get(progress.partition)?.ours) this.#dirty.add(progress);
      throw error;
    }
  }

  #committable(progress: PartitionProgress) {
    const { topic, partition, prefix } = progress;
    return { topic, partition, offset: prefix, metadata: progress.record(this.#options.mark) };
  }
}
