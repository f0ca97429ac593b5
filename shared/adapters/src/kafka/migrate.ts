/** Creates the topics of an installation, and tells whether they are as they must be. Creating is a step of its own, run before anything starts. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Admin, ITopicConfig } from 'kafkajs';
import { createClient, type KafkaServers, reasonOf } from './client.ts';
import { errorType } from './link.ts';
import { allTopics, laneTopics, topicNames } from './topics.ts';

export interface MigrateTopicsOptions extends KafkaServers {
  /** What every topic's name begins with. */
  topicPrefix: string;
  /** Of the topics of waiting jobs: bounds how many workers can share them (default 12). */
  jobPartitions?: number;
  /** Of the facts: bounds how many recorders can share them (default 3). */
  factPartitions?: number;
  /** Copies of every message (default 1 with one or two brokers, else 3). */
  replication?: number;
  /** Copies that must be in place before a message counts as written (default 2 with three or more copies, else 1). */
  minInSync?: number;
  /** How long a job may wait (default 7 days). */
  jobRetentionMs?: number;
  /** How long facts are kept for projections to catch up (default 30 days). */
  factRetentionMs?: number;
  /** Dead letters, and bytes nobody could read (default 30 days). */
  deadLetterRetentionMs?: number;
}

const dayMs = 86_400_000;
const cancelRetentionMs = 600_000;
const timeoutMs = 15_000;
const settlingPauseMs = 50;
const settling = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE']);

/**
 * Idempotent; the settings of topics that exist are left to the operator. Throws an Error worded for the operator when Kafka doesn't answer, or a topic that exists has fewer partitions than stated or
 * others than its fellows: more can be added by hand while nothing runs, because a job's key then belongs elsewhere.
 */
export async function migrateTopics(options: MigrateTopicsOptions): Promise<void> {
  const admin = createClient(options).admin();
  try {
    await admin.connect();
  } catch (error) {
    throw unreachable(options, error);
  }
  try {
    const { brokers } = await admin.describeCluster();
    const existing = new Set(await admin.listTopics());
    const topics = wanted(options, brokers.length);
    const missing = topics.filter(({ topic }) => !existing.has(topic));
    if (missing.length > 0) await admin.createTopics({ topics: missing, waitForLeaders: false, timeout: timeoutMs });
    const partitions = await partitionCounts(
      admin,
      topics.map(({ topic }) => topic),
    );
    for (const { topic, numPartitions = 1 } of topics) {
      const found = partitions.get(topic) ?? 0;
      if (found < numPartitions) {
        throw new Error(
          `Topic ${topic} has ${found} partitions, ${numPartitions} are wanted. Stop all processes, let it run empty, ` +
            `and add partitions to it (kafka-topics.sh --alter --topic ${topic} --partitions ${numPartitions}), or ask for fewer.`,
        );
      }
    }
    checkLanes(options.topicPrefix, partitions);
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

export interface TopicShape {
  lanes: number;
  factPartitions: number;
}

/** Throws an Error worded for the operator unless Kafka answers and all topics are there. */
export async function checkTopics(servers: KafkaServers, topicPrefix: string): Promise<TopicShape> {
  const admin = createClient(servers).admin();
  try {
    await admin.connect();
    const names = topicNames(topicPrefix);
    const existing = new Set(await admin.listTopics());
    const missing = allTopics(names).filter((topic) => !existing.has(topic));
    if (missing.length > 0) {
      throw new TopicsError(`Kafka lacks the topics ${missing.join(', ')}. Run the migration step that creates them.`);
    }
    const partitions = await partitionCounts(admin, allTopics(names));
    return { lanes: checkLanes(topicPrefix, partitions), factPartitions: partitions.get(names.facts) ?? 1 };
  } catch (error) {
    throw error instanceof TopicsError ? error : unreachable(servers, error);
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

class TopicsError extends Error {}

/** The number of lanes; all topics of waiting jobs must have as many partitions. */
function checkLanes(topicPrefix: string, partitions: ReadonlyMap<string, number>): number {
  const counts = laneTopics(topicNames(topicPrefix)).map((topic) => ({ topic, count: partitions.get(topic) ?? 0 }));
  const [{ count: lanes }] = counts as [{ topic: string; count: number }];
  if (counts.some(({ count }) => count !== lanes)) {
    const found = counts.map(({ topic, count }) => `${topic} ${count}`).join(', ');
    throw new TopicsError(
      `These topics must have the same number of partitions: ${found}. Add what is missing while nothing runs.`,
    );
  }
  return lanes;
}

function wanted(options: MigrateTopicsOptions, brokerCount: number): ITopicConfig[] {
  const { topicPrefix, jobPartitions = 12, factPartitions = 3, replication = brokerCount < 3 ? 1 : 3 } = options;
  const { minInSync = replication >= 3 ? 2 : 1, jobRetentionMs = 7 * dayMs } = options;
  const { factRetentionMs = 30 * dayMs, deadLetterRetentionMs = 30 * dayMs } = options;
  const names = topicNames(topicPrefix);
  const topic = (name: string, numPartitions: number, retentionMs: number, settings: Record<string, string> = {}) => ({
    topic: name,
    numPartitions,
    replicationFactor: replication,
    configEntries: Object.entries({
      'cleanup.policy': 'delete',
      'retention.ms': `${retentionMs}`,
      'min.insync.replicas': `${minInSync}`,
      // A foreign producer's codec could be one we cannot read; the broker unpacks it for us.
      'compression.type': 'uncompressed',
      ...settings,
    }).map(([setting, value]) => ({ name: setting, value })),
  });
  // It holds any message another topic may hold, and says why beside it.
  const roomy = { 'max.message.bytes': '2097152' };
  return [
    ...laneTopics(names).map((name) => topic(name, jobPartitions, jobRetentionMs)),
    topic(names.deadLetters, 1, deadLetterRetentionMs, roomy),
    topic(names.cancels, 1, cancelRetentionMs),
    topic(names.facts, factPartitions, factRetentionMs),
    topic(names.unreadable, 1, deadLetterRetentionMs, roomy),
  ];
}

/** A topic that was made a moment ago is not known to every broker at once. */
async function partitionCounts(admin: Admin, topics: string[]): Promise<Map<string, number>> {
  const until = Date.now() + timeoutMs;
  let metadata: Awaited<ReturnType<Admin['fetchTopicMetadata']>> | undefined;
  while (metadata === undefined) {
    try {
      metadata = await admin.fetchTopicMetadata({ topics });
    } catch (error) {
      if (!settling.has(errorType(error) ?? '') || Date.now() > until) throw error;
      await wait(settlingPauseMs);
    }
  }
  return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
}

function unreachable({ brokers, tls }: KafkaServers, error: unknown): Error {
  const reason = reasonOf(error);
  const refused = error instanceof Error && error.name === 'KafkaJSSASLAuthenticationError';
  const check = refused ? 'KAFKA_USERNAME and KAFKA_PASSWORD' : 'KAFKA_BROKERS and KAFKA_TLS';
  const trust = /certificate/i.test(reason) ? ', and name the authority in NODE_EXTRA_CA_CERTS' : '';
  return new Error(
    `Kafka at ${brokers.join(', ')}${tls ? ' (TLS)' : ''} cannot be used: ${reason}. Check ${check}${trust}.`,
  );
}
