/**
 * One consumer of jobs: reads its lanes ahead to their end, hands everything out that is due, and commits how far it has got. Each message it
 * holds is *delayed* (waits until it is due), *out* (handed out, not settled), *settling* (being written elsewhere) or *gone* (finished, or
 * with somebody else). Messages of one key in a lane are one: the later ones share the fate of the first.
 */
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises';
import { type JobKey, type JobMessage, jobMessageSchema } from '@inkwell/contracts';
import type { Clock, ConsumeOptions, Delivery } from '@inkwell/ports';
import type { KafkaMessage } from 'kafkajs';
import { type KafkaLog, reasonOf } from './client.ts';
import { GroupMember, type GroupTiming } from './group-member.ts';
import { committedOffsets, type Link, logOffsets, type Place, placeKey } from './link.ts';
import { LogReader, type ReadingPace } from './log-reader.ts';
import { cancelMessageSchema, decode, retryMessageSchema } from './messages.ts';
import { markOf, PartitionProgress } from './progress.ts';
import { laneTopics, type TopicNames } from './topics.ts';

export interface JobConsumerOptions extends GroupTiming {
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
  clock: Clock;
  log: KafkaLog;
  /** Resolve when durable. */
  writeRetry(retry: { message: JobMessage; attempt: number; dueAt: number; reason: string }): Promise<void>;
  writeDeadLetter(letter: { message: JobMessage; reason: string; attempts: number }): Promise<void>;
  writeUnreadable(place: Place, message: KafkaMessage, reason: string): Promise<void>;
  onRebalanced(): void;
}

interface Lane {
  index: number;
  progress: Map<string, PartitionProgress>;
  held: Map<JobKey, Held>;
  /** False once the lane is somebody else's. */
  ours: boolean;
}

interface Held {
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

/** At once; but what comes within two milliseconds comes together, for a fetch costs more than a message. */
const pace: ReadingPace = { longPollMs: 100, minBytes: 1, pauseMs: 2 };
const commitEveryMs = 100;
/** Pause before a delivery that failed on our side is tried again. */
const repairDelayMs = 1000;
const longestTimerMs = 2 ** 31 - 1;

export class JobConsumer {
  readonly #options: JobConsumerOptions;
  readonly #topics: [string, ...string[]];
  readonly #reader: LogReader;
  readonly #lanes = new Map<number, Lane>();
  readonly #dirty = new Set<PartitionProgress>();
  #member: GroupMember | undefined;
  #commitTimer: NodeJS.Timeout | undefined;
  #committing: Promise<void> = Promise.resolve();
  /** Retries and dead letters under way: what they settle is to be in the commit before a lane may go. */
  readonly #writing = new Set<Promise<void>>();
  /** Set while the group rebalances: nothing is handed out or settled until it is known what is still ours. */
  #rebalance: PromiseWithResolvers<void> | undefined = Promise.withResolvers();
  #closed = false;
  #left: Promise<void> | undefined;

  constructor(options: JobConsumerOptions) {
    this.#options = options;
    this.#topics = laneTopics(options.names);
    const onMessages = (place: Place, messages: readonly KafkaMessage[]) => this.#take(place, messages);
    this.#reader = new LogReader({ link: options.readLink, log: options.log, pace, onMessages });
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
    for (const lane of this.#lanes.values()) {
      for (const held of lane.held.values()) giveUp(held);
    }
    this.#rebalance?.resolve();
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
    this.#rebalance?.resolve();
    this.#rebalance = undefined;
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

  /** Soon: the group does not wait for a member longer than a session. */
  async #written(): Promise<void> {
    if (this.#writing.size === 0) return;
    const patience = wait(this.#options.sessionTimeoutMs / 2, undefined, { ref: false });
    // One turn more, in which the settled are finished.
    await Promise.race([Promise.allSettled(this.#writing).then(() => nextTurn()), patience]);
  }

  #beginRebalance(): void {
    this.#rebalance ??= Promise.withResolvers();
    this.#reader.suspend();
  }

  #drop(lane: Lane): void {
    lane.ours = false;
    this.#lanes.delete(lane.index);
    for (const progress of lane.progress.values()) {
      this.#dirty.delete(progress);
      this.#reader.drop(progress);
    }
    for (const held of lane.held.values()) {
      const { state, delivery } = held;
      giveUp(held);
      if (state === 'out' && delivery !== undefined) this.#tell(() => this.#options.consumer.onTakenBack(delivery));
    }
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
      else if ('message' in decoded.value) {
        const { message: job, attempt, dueAt } = decoded.value;
        this.#hold({ lane, progress, offset, message: job, attempt: attempt + before, isRetry, dueAt });
      } else {
        this.#hold({ lane, progress, offset, message: decoded.value, attempt: 1 + before, isRetry, dueAt: 0 });
      }
    }
    if (progress.unfinished > this.#options.readAhead) this.#reader.pause(progress);
  }

  #takeCancels(messages: readonly KafkaMessage[]): void {
    for (const message of messages) {
      const decoded = decode(cancelMessageSchema, message.value);
      if ('value' in decoded) this.#tell(() => this.#options.consumer.onCancel(decoded.value.key));
      else this.#options.log.warn({ reason: decoded.unreadable }, 'a cancel could not be read');
    }
  }

  #hold(read: {
    lane: Lane;
    progress: PartitionProgress;
    offset: number;
    message: JobMessage;
    attempt: number;
    isRetry: boolean;
    dueAt: number;
  }): void {
    const { lane, progress, offset, message, attempt, isRetry, dueAt } = read;
    const known = lane.held.get(message.key);
    const isItsRetry = isRetry && known?.state === 'settling' && attempt > known.attempt;
    if (known !== undefined && !isItsRetry) {
      known.offsets.push({ progress, offset });
      for (let times = 0; times < known.handouts; times++) progress.handedOut(offset);
      this.#mark(progress);
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
    // First, for a closing consumer's rebalance never ends.
    if (held.state !== 'delayed') return;
    if (this.#rebalance !== undefined) {
      void this.#rebalance.promise.then(() => this.#handOut(held));
      return;
    }
    held.state = 'out';
    held.handouts++;
    for (const { progress, offset } of held.offsets) {
      progress.handedOut(offset);
      this.#mark(progress);
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
      while (this.#rebalance !== undefined && !this.#closed) await this.#rebalance.promise;
      if (held.state !== 'out' || held.attempt !== attempt) return;
      held.state = 'settling';
      const written = write();
      this.#writing.add(written);
      try {
        await written;
        this.#finish(held);
      } catch (error) {
        this.#putBack(held);
        throw error;
      } finally {
        this.#writing.delete(written);
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
    for (const { progress, offset } of held.offsets) this.#finishOffset(progress, offset);
  }

  #finishOffset(progress: PartitionProgress, offset: number): void {
    progress.finish(offset);
    this.#mark(progress);
    if (progress.unfinished <= this.#options.readAhead / 2) this.#reader.resume(progress);
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

  /** Unreadable bytes are put aside, and only then done with. */
  async #bury(lane: Lane, progress: PartitionProgress, message: KafkaMessage, reason: string): Promise<void> {
    const offset = Number(message.offset);
    this.#options.log.error(
      { topic: progress.topic, partition: progress.partition, offset, reason },
      'unreadable message',
    );
    while (lane.ours && !this.#closed) {
      try {
        await this.#options.writeUnreadable(progress, message, reason);
        if (lane.ours) this.#finishOffset(progress, offset);
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

  #tell(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.#options.log.error({ err: error }, 'a consumer threw');
    }
  }

  #mark(progress: PartitionProgress): void {
    this.#dirty.add(progress);
    this.#scheduleCommit();
  }

  #scheduleCommit(): void {
    if (this.#closed || this.#rebalance !== undefined || this.#dirty.size === 0) return;
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

function giveUp(held: Held): void {
  clearTimeout(held.timer);
  held.state = 'gone';
}
