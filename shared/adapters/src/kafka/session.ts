/** What the ports of one process share: names, the producer, a connection for questions, and how consumers come and go. */
import type { Clock } from '@inkwell/ports';
import { withDeadline } from '@inkwell/resilience';
import type { Kafka, KafkaMessage } from 'kafkajs';
import { closed, type KafkaLog, unavailable } from './client.ts';
import type { GroupTiming } from './group-member.ts';
import { Link, type Place } from './link.ts';
import { GroupingProducer } from './producer.ts';
import { allTopics, type TopicNames } from './topics.ts';

export interface SessionOptions {
  client: Kafka;
  names: TopicNames;
  timing: GroupTiming;
  deadlineMs: number;
  log: KafkaLog;
}

/** More than a topic takes, unless somebody raised its limit. */
const mostBytesPutAside = 1_500_000;
/** Longest a new consumer waits for its group: a dead member's session, a rebalance, and an election may come together. */
const joinDeadlineMs = 30_000;

export class Session {
  readonly names: TopicNames;
  readonly timing: GroupTiming;
  readonly log: KafkaLog;
  readonly producer: GroupingProducer;
  readonly #client: Kafka;
  readonly #deadlineMs: number;
  readonly #desk: Link;
  readonly #consumers = new Set<{ close(): Promise<void> }>();
  #closed = false;

  constructor({ client, names, timing, deadlineMs, log }: SessionOptions) {
    this.names = names;
    this.timing = timing;
    this.log = log;
    this.producer = new GroupingProducer({ client, deadlineMs, log });
    this.#client = client;
    this.#deadlineMs = deadlineMs;
    this.#desk = this.link(allTopics(names));
  }

  link(topics: readonly string[]): Link {
    return new Link(this.#client, topics);
  }

  /** Asks Kafka something on a connection kept for that; within the deadline, failures in the words of the table. */
  async ask<Answer>(question: (desk: Link) => Promise<Answer>): Promise<Answer> {
    if (this.#closed) throw closed();
    try {
      return await withDeadline(question(this.#desk), 'a question to Kafka', this.#deadlineMs);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Resolves once the consumer has started; it is closed when the signal aborts or the session ends. */
  async host(consumer: { start(): Promise<void>; close(): Promise<void> }, signal: AbortSignal): Promise<void> {
    if (this.#closed) throw closed();
    this.#consumers.add(consumer);
    const dismiss = async () => {
      signal.removeEventListener('abort', dismiss);
      await consumer.close();
      this.#consumers.delete(consumer);
    };
    signal.addEventListener('abort', dismiss);
    try {
      await withDeadline(consumer.start(), 'joining the group', joinDeadlineMs);
    } catch (error) {
      await dismiss();
      if (signal.aborted) return;
      throw this.#closed ? closed() : unavailable(error);
    }
  }

  /** Puts bytes nobody could read aside, as they came. */
  async putAside({ topic, partition }: Place, message: KafkaMessage, reason: string, clock: Clock): Promise<void> {
    const { key, value, offset } = message;
    const headers = { topic, partition: `${partition}`, offset, reason, at: `${clock.now()}` };
    const kept = value?.subarray(0, mostBytesPutAside) ?? null;
    await this.producer.send({ topic: this.names.unreadable, partition: 0, key, value: kept, headers });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()));
    await this.producer.close();
    await this.#desk.close();
  }
}
