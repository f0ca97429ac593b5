/**
 * An incremental fetch session with one broker (KIP-227). The broker remembers what is wanted from where, so a request names only what changed
 * since the one before, and an answer only partitions that have something. kafkajs can write and read such requests but never sends one: its brokers
 * name every partition every time, which costs a process that reads dozens of them more than the messages do.
 */
import { createRequire } from 'node:module';
import type { Broker, KafkaMessage } from 'kafkajs';
import { byTopic, type Place, placeKey } from './link.ts';

export interface Wanted extends Place {
  /** Of the next message. */
  offset: number;
}

export interface FetchedTopic {
  topicName: string;
  partitions: { partition: number; messages: (KafkaMessage & { isControlRecord?: boolean })[] }[];
}

export interface FetchBounds {
  /** Longest the broker waits for `minBytes`. */
  maxWaitMs: number;
  minBytes: number;
}

interface FetchAnswer {
  errorCode: number;
  sessionId: number;
  responses: FetchedTopic[];
}

/** What of kafkajs is used here and not declared by it. */
interface Sender {
  connectionPool: { send(call: FetchCall): Promise<FetchAnswer> };
}
type FetchCall = object;
type FetchProtocol = (request: {
  sessionId: number;
  sessionEpoch: number;
  topics: { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[];
  forgottenTopics: { topic: string; partitions: number[] }[];
  maxWaitTime: number;
  minBytes: number;
  maxBytes: number;
  isolationLevel: number;
}) => FetchCall;

const { protocol } = createRequire(import.meta.url)('kafkajs/src/protocol/requests/fetch') as {
  protocol(of: { version: number }): FetchProtocol;
};
const fetchCall = protocol({ version: 11 });
const maxBytesPerPartition = 524_288;
const maxBytes = 4_194_304;
const readUncommitted = 0;
/** The broker has forgotten the session, or missed one of its requests: a new one begins. */
const lostSession = new Set([70, 71]);

export class FetchSession {
  #id = 0;
  #epoch = 0;
  /** Offsets as the broker knows them, by `placeKey`. */
  #known = new Map<string, Wanted>();

  /** What the broker has of these partitions, at least one message or nothing after the wait. One call at a time. */
  async fetch(
    broker: Broker,
    wanted: readonly Wanted[],
    { maxWaitMs, minBytes }: FetchBounds,
  ): Promise<FetchedTopic[]> {
    const next = new Map(wanted.map((one) => [placeKey(one), one]));
    const changed = wanted.filter((one) => this.#known.get(placeKey(one))?.offset !== one.offset);
    const forgotten = [...this.#known].filter(([key]) => !next.has(key)).map(([, one]) => one);
    const call = fetchCall({
      sessionId: this.#id,
      sessionEpoch: this.#epoch,
      topics: requested(changed),
      forgottenTopics: byTopic(forgotten),
      maxWaitTime: maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel: readUncommitted,
    });
    try {
      const answer = await (broker as unknown as Sender).connectionPool.send(call);
      if (answer.errorCode !== 0 && !lostSession.has(answer.errorCode)) {
        throw new Error(`The broker answered a fetch with error ${answer.errorCode}.`);
      }
      if (answer.errorCode !== 0 || answer.sessionId === 0) this.#begin();
      else {
        this.#id = answer.sessionId;
        this.#epoch = this.#epoch === 2 ** 31 - 1 ? 1 : this.#epoch + 1;
        this.#known = next;
      }
      return answer.responses;
    } catch (error) {
      // Whether it was heard is not known.
      this.#begin();
      throw error;
    }
  }

  #begin(): void {
    this.#id = 0;
    this.#epoch = 0;
    this.#known = new Map();
  }
}

function requested(wanted: readonly Wanted[]) {
  return [...Map.groupBy(wanted, ({ topic }) => topic)].map(([topic, of]) => ({
    topic,
    partitions: of.map(({ partition, offset }) => ({
      partition,
      fetchOffset: `${offset}`,
      maxBytes: maxBytesPerPartition,
    })),
  }));
}
