/**
 * FactLog over one Kafka topic, partitioned by subject; every group of projections is a Kafka group of its own. A message holds a list of facts: those of
 * a partition that are written together.
 */
import { type Fact, factSchema } from '@inkwell/contracts';
import type { Clock, FactLog, FactConsumer as Projection } from '@inkwell/ports';
import { FactConsumer } from './fact-consumer.ts';
import { encode } from './messages.ts';
import type { Session } from './session.ts';
import { partitionOf } from './topics.ts';

export class KafkaFactLog implements FactLog {
  readonly #session: Session;
  readonly #groupId: (group: string) => string;
  readonly #partitions: number;
  readonly #clock: Clock;

  /** `groupId` names the Kafka group of a group of projections. */
  constructor(session: Session, options: { groupId(group: string): string; partitions: number; clock: Clock }) {
    this.#session = session;
    this.#groupId = options.groupId;
    this.#partitions = options.partitions;
    this.#clock = options.clock;
  }

  async publish(fact: Fact, { mayWaitMs = 0 } = {}): Promise<void> {
    const value = encode(factSchema, fact);
    const { producer, names } = this.#session;
    const partition = partitionOf(fact.subject, this.#partitions);
    await producer.send({ topic: names.facts, partition, key: null, value, listed: true }, mayWaitMs);
  }

  async consume(projection: Projection): Promise<void> {
    if (projection.signal.aborted) return;
    const { names, timing, log } = this.#session;
    const consumer = new FactConsumer({
      projection,
      ...timing,
      // Nobody waits for who takes over here: half as often is soon enough, and well within a session.
      heartbeatMs: Math.min(2 * timing.heartbeatMs, timing.sessionTimeoutMs / 3),
      groupId: this.#groupId(projection.group),
      topic: names.facts,
      partitions: this.#partitions,
      groupLink: this.#session.link([names.facts]),
      readLink: this.#session.link([names.facts]),
      log,
      writeUnreadable: (place, message, reason) => this.#session.putAside(place, message, reason, this.#clock),
    });
    await this.#session.host(consumer, projection.signal);
  }
}
