/** JobBus over Kafka: waiting jobs in one topic per priority, partitioned by the job's key. ADR 8 says what holds and what doesn't. */
import { randomBytes } from 'node:crypto';
import { type JobKey, type JobMessage, jobMessageSchema } from '@inkwell/contracts';
import type { Clock, ConsumeOptions, DeadLetter, JobBus } from '@inkwell/ports';
import { JobConsumer } from './job-consumer.ts';
import { cancelMessageSchema, deadLetterSchema, decode, encode, retryMessageSchema } from './messages.ts';
import type { Session } from './session.ts';
import { readTail } from './tail.ts';
import { laneTopics, partitionOf } from './topics.ts';

export class KafkaJobBus implements JobBus {
  readonly #session: Session;
  readonly #groupId: string;
  readonly #laneCount: number;
  readonly #readAhead: number;
  readonly #clock: Clock;
  #rebalances = 0;

  constructor(session: Session, options: { groupId: string; laneCount: number; readAhead: number; clock: Clock }) {
    this.#session = session;
    this.#groupId = options.groupId;
    this.#laneCount = options.laneCount;
    this.#readAhead = options.readAhead;
    this.#clock = options.clock;
  }

  get rebalances(): number {
    return this.#rebalances;
  }

  async publish(message: JobMessage): Promise<void> {
    const value = encode(jobMessageSchema, message);
    await this.#sendToLane(this.#session.names.jobs[message.priority], message.key, value);
  }

  async consume(consumer: ConsumeOptions): Promise<void> {
    if (consumer.signal.aborted) return;
    const { names, timing, log, producer } = this.#session;
    const lanes = laneTopics(names);
    const jobConsumer = new JobConsumer({
      consumer,
      names,
      ...timing,
      groupId: this.#groupId,
      laneCount: this.#laneCount,
      readAhead: this.#readAhead,
      mark: randomBytes(9).toString('base64url'),
      groupLink: this.#session.link(lanes),
      readLink: this.#session.link([...lanes, names.cancels]),
      clock: this.#clock,
      log,
      writeRetry: (retry) => {
        const value = encode(retryMessageSchema, { version: 1, ...retry });
        return this.#sendToLane(names.retries, retry.message.key, value);
      },
      writeDeadLetter: (letter) => {
        const value = encode(deadLetterSchema, { version: 1, ...letter, at: this.#clock.now() });
        return producer.send({ topic: names.deadLetters, partition: 0, key: letter.message.key, value });
      },
      writeUnreadable: (place, read, reason) => this.#session.putAside(place, read, reason, this.#clock),
      onRebalanced: () => this.#rebalances++,
    });
    await this.#session.host(jobConsumer, consumer.signal);
  }

  async announceCancel(key: JobKey): Promise<void> {
    const { names, producer, log } = this.#session;
    const value = encode(cancelMessageSchema, { version: 1, key });
    try {
      await producer.send({ topic: names.cancels, partition: 0, key, value });
    } catch (error) {
      log.warn({ err: error }, 'a cancel could not be announced; the fence stops the job');
    }
  }

  async deadLetters(limit: number): Promise<DeadLetter[]> {
    const { names, log } = this.#session;
    const messages = await this.#session.ask((desk) =>
      readTail(desk, { topic: names.deadLetters, partition: 0 }, limit),
    );
    return messages.flatMap(({ value, offset }) => {
      const decoded = decode(deadLetterSchema, value);
      if ('unreadable' in decoded) {
        log.warn({ offset, reason: decoded.unreadable }, 'a dead letter could not be read');
        return [];
      }
      const { message, reason, attempts, at } = decoded.value;
      return [{ message, reason, attempts, at }];
    });
  }

  async ping(): Promise<void> {
    await this.#session.ask((desk) =>
      desk.ask(async (cluster) => (await cluster.findControllerBroker()).metadata([this.#session.names.deadLetters])),
    );
  }

  #sendToLane(topic: string, key: JobKey, value: string): Promise<void> {
    return this.#session.producer.send({ topic, partition: partitionOf(key, this.#laneCount), key, value });
  }
}
