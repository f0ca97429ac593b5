/**
 * A connection to the brokers that mends itself. kafkajs's own consumer hides generations and committed metadata, which exact hand-over needs;
 * so we speak the protocol through the cluster object it gives to partition assigners. A connection that failed is thrown away and made anew,
 * because all state that matters (positions, membership) is kept by those who use it.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Broker, Cluster, Kafka } from 'kafkajs';

export interface Place {
  topic: string;
  partition: number;
}

/** What a broker answers that coordinates a group; kafkajs implements these calls but doesn't declare them. */
export interface Coordinator extends Broker {
  joinGroup(request: {
    groupId: string;
    sessionTimeout: number;
    rebalanceTimeout: number;
    memberId: string;
    groupProtocols: { name: string; metadata: Buffer }[];
  }): Promise<{
    generationId: number;
    leaderId: string;
    memberId: string;
    members: { memberId: string; memberMetadata: Buffer }[];
  }>;
  syncGroup(request: {
    groupId: string;
    generationId: number;
    memberId: string;
    groupAssignment: { memberId: string; memberAssignment: Buffer }[];
  }): Promise<{ memberAssignment: Buffer }>;
  heartbeat(request: { groupId: string; memberId: string; groupGenerationId: number }): Promise<unknown>;
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>;
}

/** Errors after which the leaders of partitions have to be asked for again. */
const staleMetadata = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'REPLICA_NOT_AVAILABLE',
]);

const mostRepetitions = 6;
const shortestPauseMs = 25;

export class Link {
  readonly #client: Kafka;
  readonly #topics: string[];
  #cluster: Promise<Cluster> | undefined;
  #closed = false;

  /** `topics` are those whose partitions' leaders it has to know. Connects when it is first used. */
  constructor(client: Kafka, topics: readonly string[]) {
    this.#client = client;
    this.#topics = [...topics];
  }

  /** Runs the work on a connected cluster. When it fails the cause is mended for the next time; the failure is the caller's. */
  async use<Value>(work: (cluster: Cluster) => Promise<Value>): Promise<Value> {
    if (this.#closed) throw new Error('The connection is closed.');
    this.#cluster ??= this.#connect();
    const current = this.#cluster;
    try {
      return await work(await current);
    } catch (error) {
      await this.#mend(current, error);
      throw error;
    }
  }

  /** For questions that change nothing: asked again a few times, for leaders move and topics are young. */
  async ask<Answer>(question: (cluster: Cluster) => Promise<Answer>): Promise<Answer> {
    for (let failures = 0; ; failures++) {
      try {
        return await this.use(question);
      } catch (error) {
        if (this.#closed || failures === mostRepetitions) throw error;
        await wait(shortestPauseMs * 2 ** failures);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const cluster = await this.#cluster?.catch(() => undefined);
    await cluster?.disconnect().catch(() => {});
  }

  async #connect(): Promise<Cluster> {
    const cluster = clusterOf(this.#client);
    await cluster.connect();
    await cluster.addMultipleTargetTopics(this.#topics);
    return cluster;
  }

  async #mend(failed: Promise<Cluster>, error: unknown): Promise<void> {
    const type = errorType(error);
    const cluster = await failed.catch(() => undefined);
    if (cluster !== undefined && type !== undefined && !staleMetadata.has(type)) return;
    if (cluster !== undefined && type !== undefined && (await refreshed(cluster))) return;
    if (this.#cluster === failed) this.#cluster = undefined;
    // It waits for what is under way before it hangs up; nobody needs to wait for that.
    void cluster?.disconnect().catch(() => {});
  }
}

/** The type of the protocol error at the root of it (`REBALANCE_IN_PROGRESS`), or undefined when it isn't one. */
export function errorType(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('type' in cause && typeof cause.type === 'string') return cause.type;
  }
  return undefined;
}

/** Offsets of the first message kept, or of the one that comes next, by `placeKey`. */
export async function logOffsets(
  link: Link,
  places: readonly Place[],
  end: 'earliest' | 'latest',
): Promise<Map<string, number>> {
  if (places.length === 0) return new Map();
  const fromBeginning = end === 'earliest';
  const topics = byTopic(places).map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map((partition) => ({ partition })),
    fromBeginning,
  }));
  const answer = await link.ask((cluster) => cluster.fetchTopicsOffset(topics));
  return new Map(
    answer.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, offset }) => [placeKey({ topic, partition }), Number(offset)] as const),
    ),
  );
}

/** What a group has committed, by `placeKey`; the offset is −1 where it never did. */
export async function committedOffsets(
  link: Link,
  groupId: string,
  places: readonly Place[],
): Promise<Map<string, { offset: number; metadata: string }>> {
  if (places.length === 0) return new Map();
  const topics = byTopic(places).map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map((partition) => ({ partition, offset: '0' })),
  }));
  const { responses } = await link.ask(async (cluster) => {
    const coordinator = await cluster.findGroupCoordinator({ groupId });
    return coordinator.offsetFetch({ groupId, topics });
  });
  return new Map(
    responses.flatMap(({ topic, partitions }) =>
      (partitions as { partition: number; offset: string; metadata?: string | null }[]).map(
        ({ partition, offset, metadata }) =>
          [placeKey({ topic, partition }), { offset: Number(offset), metadata: metadata ?? '' }] as const,
      ),
    ),
  );
}

export function placeKey({ topic, partition }: Place): string {
  return `${topic}/${partition}`;
}

export function byTopic(places: readonly Place[]): { topic: string; partitions: number[] }[] {
  const grouped = Map.groupBy(places, ({ topic }) => topic);
  return [...grouped].map(([topic, of]) => ({ topic, partitions: of.map(({ partition }) => partition) }));
}

/** kafkajs hands its cluster to partition assigners; a consumer that never runs is the public way to it. */
function clusterOf(client: Kafka): Cluster {
  let found: Cluster | undefined;
  client.consumer({
    groupId: 'never-joined',
    allowAutoTopicCreation: false,
    readUncommitted: true,
    partitionAssigners: [
      ({ cluster }) => {
        found = cluster;
        return {
          name: 'none',
          version: 0,
          assign: async () => [],
          protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
        };
      },
    ],
  });
  if (found === undefined) throw new Error('kafkajs did not call the partition assigner.');
  return found;
}

async function refreshed(cluster: Cluster): Promise<boolean> {
  try {
    await cluster.refreshMetadata();
    return true;
  } catch {
    return false;
  }
}
