/**
 * The ports a cluster keeps in Kafka: waiting jobs and facts. Any number of processes share them. What is acknowledged is on all in-sync
 * replicas; ADR 8 says what follows from a death at each moment. Nothing outside this folder knows which client library is used.
 */
import type { Clock, FactLog, JobBus } from '@inkwell/ports';
import { createClient, type KafkaLog, type KafkaServers, silentLog } from './client.ts';
import { KafkaFactLog } from './fact-log.ts';
import { KafkaJobBus } from './job-bus.ts';
import { type Lag, lagOf } from './lag.ts';
import { checkTopics } from './migrate.ts';
import { Session } from './session.ts';
import { laneTopics, topicNames } from './topics.ts';
import { listUnreadable, type UnreadableMessage } from './unreadable.ts';

export type { KafkaCredentials, KafkaLog, KafkaServers } from './client.ts';
export type { Lag } from './lag.ts';
export type { MigrateTopicsOptions } from './migrate.ts';
export { migrateTopics } from './migrate.ts';
export type { UnreadableMessage } from './unreadable.ts';

export interface KafkaBusOptions extends KafkaServers {
  /** What the names of topics begin with, as for `migrateTopics`. */
  topicPrefix: string;
  /** The group the workers share; projections of facts get `GROUP.facts.NAME`. */
  groupId: string;
  clock: Clock;
  log?: KafkaLog;
  /** Longest any call may take (default 5000). */
  deadlineMs?: number;
  /** A worker silent for so long is dead (default 1200; the brokers' `group.min.session.timeout.ms` must allow it). */
  sessionTimeoutMs?: number;
  /** How often workers say that they live (default 200). */
  heartbeatMs?: number;
  /** Messages of one partition a worker may hold (default 5000). */
  readAhead?: number;
}

export interface KafkaBus {
  jobBus: JobBus;
  factLog: FactLog;
  /** How far the workers are behind, per topic; and with names of groups of projections, how far those are. */
  lag(factGroups?: readonly string[]): Promise<Lag[]>;
  /** Assignments the consumers of this process went through. */
  rebalances(): number;
  /** Produce calls of this process. */
  produceRequests(): number;
  /** Messages that were put aside because nobody could read them, newest first. */
  unreadable(limit: number): Promise<UnreadableMessage[]>;
  /** Consumers leave their groups and what was sent is written; afterwards every port rejects with `shutting_down`. */
  close(): Promise<void>;
}

/** Throws an Error worded for the operator when Kafka doesn't answer or its topics aren't as they must be. */
export async function openKafkaBus(options: KafkaBusOptions): Promise<KafkaBus> {
  const { topicPrefix, groupId, clock, log = silentLog, deadlineMs = 5000 } = options;
  const { sessionTimeoutMs = 1200, heartbeatMs = 200, readAhead = 5000 } = options;
  const { lanes, factPartitions } = await checkTopics(options, topicPrefix);
  const names = topicNames(topicPrefix);
  const timing = { sessionTimeoutMs, heartbeatMs };
  const session = new Session({ client: createClient(options, deadlineMs), names, timing, deadlineMs, log });
  const factGroupId = (group: string) => `${groupId}.facts.${group}`;
  const jobBus = new KafkaJobBus(session, { groupId, laneCount: lanes, readAhead, clock });
  return {
    jobBus,
    factLog: new KafkaFactLog(session, { groupId: factGroupId, partitions: factPartitions, clock }),
    async lag(factGroups = []) {
      const groups = await Promise.all([
        session.ask((desk) => lagOf(desk, groupId, laneTopics(names), lanes)),
        ...factGroups.map((group) =>
          session.ask((desk) => lagOf(desk, factGroupId(group), [names.facts], factPartitions)),
        ),
      ]);
      return groups.flat();
    },
    rebalances: () => jobBus.rebalances,
    produceRequests: () => session.producer.requests,
    unreadable: (limit) => session.ask((desk) => listUnreadable(desk, names.unreadable, limit)),
    close: () => session.close(),
  };
}
