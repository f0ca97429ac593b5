/**
 * Writes messages in groups: whatever is sent in one turn of the event loop, whatever comes while a produce is under way, and whatever may wait
 * until something is due, shares one request. A send resolves when its message is on all in-sync replicas (acks=all) and rejects at its deadline; then it may still be written.
 * Messages of one partition that are sent one after the other are written in that order.
 *
 * kafkajs makes retries within one call idempotent. Two of its traits we guard against: after a call that failed for good it would use the same
 * sequence numbers for other messages, which a broker takes for the old ones and drops; so such a producer is thrown away. And when leaders
 * move during a call it may leave partitions out; so the answer is checked for every partition.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { InkwellError } from '@inkwell/contracts';
import { Deadlines, withDeadline } from '@inkwell/resilience';
import type { Kafka, Producer } from 'kafkajs';
import { closed, type KafkaLog, reasonOf, unavailable } from './client.ts';
import { errorType, placeKey } from './link.ts';
import { type ListedMessage, type OutgoingMessage, toMessages } from './outgoing-message.ts';

export interface GroupingProducerOptions {
  client: Kafka;
  /** Longest a send may take. */
  deadlineMs: number;
  log: KafkaLog;
}

interface Pending {
  message: OutgoingMessage;
  sizeBytes: number;
  /** Undefined once its sender was answered. */
  sender: PromiseWithResolvers<void> | undefined;
  /** It isn't late any more. */
  inTime: () => void;
}

/**
 * Kafka refuses a batch of over a mebibyte per partition unless its topic allows more (`max.message.bytes`); the frame around a message is
 * counted roughly. A larger message goes alone and is refused alone.
 */
const mostBytesPerRequest = 900_000;
const mostMessagesPerRequest = 2000;
const frameBytes = 100;
/** Beyond this, senders are turned away at once instead of filling the memory. */
const mostPending = 100_000;
const longestPauseMs = 500;
const tooLarge = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

export class GroupingProducer {
  readonly #options: GroupingProducerOptions;
  readonly #deadlines: Deadlines;
  #pending: Pending[] = [];
  /** When the most urgent of them is to be written, on the process's own clock. */
  #dueAt = Number.POSITIVE_INFINITY;
  #alarm: NodeJS.Timeout | undefined;
  #producer: Promise<Producer> | undefined;
  #running: Promise<void> | undefined;
  #closed = false;
  #requests = 0;

  constructor(options: GroupingProducerOptions) {
    this.#options = options;
    this.#deadlines = new Deadlines(options.deadlineMs);
  }

  /** Produce calls made so far. */
  get requests(): number {
    return this.#requests;
  }

  async connect(): Promise<void> {
    await this.#connected();
  }

  /** @param mayWaitMs how much later it may be written, to share a request */
  send(message: OutgoingMessage | ListedMessage, mayWaitMs = 0): Promise<void> {
    if (this.#closed) return Promise.reject(closed());
    const sizeBytes = Buffer.byteLength(message.value ?? '') + Buffer.byteLength(message.key ?? '') + frameBytes;
    if (this.#pending.length >= mostPending)
      return Promise.reject(unavailable(new Error('too much waits to be written')));
    const sender = Promise.withResolvers<void>();
    const pending: Pending = {
      message,
      sizeBytes,
      sender,
      inTime: this.#deadlines.watch(() => refuse(pending, late())),
    };
    this.#pending.push(pending);
    const dueAt = this.#pending.length < mostMessagesPerRequest ? performance.now() + mayWaitMs : 0;
    if (dueAt < this.#dueAt) {
      this.#dueAt = dueAt;
      this.#arrange();
    }
    return sender.promise;
  }

  /** What was sent is written, or rejected at its deadline. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#arrange();
    await this.#running;
    const producer = await this.#producer?.catch(() => undefined);
    await producer?.disconnect().catch(() => {});
  }

  #isDue(): boolean {
    return this.#pending.length > 0 && (this.#closed || this.#dueAt <= performance.now());
  }

  /** Who is due takes everybody along. */
  #arrange(): void {
    if (this.#running !== undefined || this.#pending.length === 0) return;
    clearTimeout(this.#alarm);
    if (this.#isDue()) this.#running = this.#run();
    else this.#alarm = setTimeout(() => this.#arrange(), this.#dueAt - performance.now());
  }

  async #run(): Promise<void> {
    // What else is sent in this turn goes along.
    await new Promise(setImmediate);
    for (let failures = 0; this.#isDue(); ) {
      const group = this.#nextGroup();
      if (group.length === 0) continue;
      try {
        await this.#write(group);
        failures = 0;
        for (const pending of group) answer(pending);
      } catch (error) {
        const [only] = group;
        if (group.length === 1 && only !== undefined && tooLarge.has(errorType(error) ?? '')) {
          refuse(only, new InkwellError('payload_too_large', { message: 'The message is too large for the queue.' }));
          continue;
        }
        const pauseMs = Math.min(20 * 2 ** failures++, longestPauseMs);
        this.#options.log.warn({ reason: reasonOf(error), pauseMs }, 'writing to Kafka failed; it is tried again');
        this.#pending = [...group, ...this.#pending];
        this.#dueAt = 0;
        await wait(pauseMs);
      }
    }
    this.#running = undefined;
    this.#arrange();
  }

  #nextGroup(): Pending[] {
    this.#pending = this.#pending.filter(({ sender }) => sender !== undefined);
    let bytes = 0;
    const end = this.#pending.findIndex(({ sizeBytes }, index) => {
      bytes += sizeBytes;
      return index === mostMessagesPerRequest || (index > 0 && bytes > mostBytesPerRequest);
    });
    this.#dueAt = end === -1 ? Number.POSITIVE_INFINITY : 0;
    return this.#pending.splice(0, end === -1 ? this.#pending.length : end);
  }

  async #write(group: readonly Pending[]): Promise<void> {
    const producer = await this.#connected();
    const outgoing = group.map(({ message }) => message);
    const byTopic = Map.groupBy(outgoing, ({ topic }) => topic);
    const topicMessages = [...byTopic].map(([topic, of]) => ({ topic, messages: toMessages(of) }));
    this.#requests++;
    try {
      // kafkajs would try the same connection again, dead or not, a few times as long; a new producer takes a new one.
      const answers = await withDeadline(
        producer.sendBatch({ acks: -1, topicMessages }),
        'produce',
        this.#options.deadlineMs,
      );
      const written = new Set(answers.map(({ topicName, partition }) => placeKey({ topic: topicName, partition })));
      const missing = outgoing.find((message) => !written.has(placeKey(message)));
      if (missing !== undefined) throw new Error(`partition ${placeKey(missing)} was left out`);
    } catch (error) {
      this.#producer = undefined;
      void producer.disconnect().catch(() => {});
      throw error;
    }
  }

  #connected(): Promise<Producer> {
    this.#producer ??= this.#connect();
    return this.#producer;
  }

  async #connect(): Promise<Producer> {
    const producer = this.#options.client.producer({
      idempotent: true,
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition!,
    });
    try {
      await producer.connect();
      return producer;
    } catch (error) {
      this.#producer = undefined;
      void producer.disconnect().catch(() => {});
      throw error;
    }
  }
}

function answer(pending: Pending): void {
  pending.inTime();
  pending.sender?.resolve();
  pending.sender = undefined;
}

function refuse(pending: Pending, error: InkwellError): void {
  pending.inTime();
  pending.sender?.reject(error);
  pending.sender = undefined;
}

function late(): InkwellError {
  return unavailable(new Error('Kafka did not acknowledge in time'));
}
