/**
 * The servers of a cluster as its processes share them: whoever opens one opens it under the names that all the others use. What is opened
 * belongs to the caller, who closes it.
 */
import { kafkaServers, type ServiceConfig } from '@inkwell/contracts';
import type { Clock } from '@inkwell/ports';
import { type KafkaBus, type KafkaLog, openKafkaBus } from './kafka/index.ts';
import { type MongoStore, openMongoStore } from './mongo/index.ts';
import { openRedisStore, type RedisStore } from './redis/index.ts';

const hourMs = 3_600_000;

/** What the names of all topics begin with. */
export const topicPrefixOf = (namespace: string): string => `${namespace}.`;

interface Waiting {
  /** Longest any call may take (default 5000). */
  deadlineMs?: number;
}

/** Throws an Error worded for the operator when Redis cannot be used. */
export function openClusterRedis(
  config: ServiceConfig,
  log: KafkaLog,
  { deadlineMs }: Waiting = {},
): Promise<RedisStore> {
  return openRedisStore({
    url: config.REDIS_URL,
    prefix: `${config.INKWELL_NAMESPACE}:`,
    retentionMs: config.INKWELL_RETENTION_HOURS * hourMs,
    deadlineMs,
    log: (message) => log.warn({}, message),
  });
}

/** Throws an Error worded for the operator when Kafka cannot be used. */
export function openClusterKafka(
  config: ServiceConfig,
  clock: Clock,
  log: KafkaLog,
  { deadlineMs }: Waiting = {},
): Promise<KafkaBus> {
  return openKafkaBus({
    ...kafkaServers(config),
    topicPrefix: topicPrefixOf(config.INKWELL_NAMESPACE),
    groupId: `${config.INKWELL_NAMESPACE}-workers`,
    deadlineMs,
    clock,
    log,
  });
}

/** Throws an Error worded for the operator when MongoDB cannot be used. */
export function openClusterMongo(config: ServiceConfig, { deadlineMs }: Waiting = {}): Promise<MongoStore> {
  return openMongoStore({ url: config.MONGO_URL, database: config.INKWELL_NAMESPACE, deadlineMs });
}
