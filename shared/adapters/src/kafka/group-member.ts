/**
 * One member of a Kafka group (the classic protocol): joins, beats, joins again when the group rebalances, leaves. Heartbeats have a timer of
 * their own and depend on nothing a job does. The member says when lanes come and go; what is read and what is done with is the owner's.
 *
 * stable: we have our lanes and beat → (the group rebalances) → the owner makes its progress known → joining → stable.
 * Told that we are no member any more, we have lost all lanes at once and join as a newcomer.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Cluster } from 'kafkajs';
import { type KafkaLog, reasonOf } from './client.ts';
import {
  assignerName,
  assignLanes,
  decodeAssignment,
  decodeClaim,
  encodeAssignment,
  encodeClaim,
} from './lane-assignment.ts';
import { byTopic, type Coordinator, errorType, type Link, type Place } from './link.ts';

export interface GroupTiming {
  /** A member that is silent for so long is out. The broker's `group.min.session.timeout.ms` must allow it. */
  sessionTimeoutMs: number;
  heartbeatMs: number;
}

export interface CommittedPlace extends Place {
  /** Of the next message. */
  offset: number;
  metadata: string;
}

export interface GroupMemberOptions extends GroupTiming {
  link: Link;
  groupId: string;
  topics: readonly [string, ...string[]];
  laneCount: number;
  log: KafkaLog;
  /** These lanes are ours now, and no others. Rejecting means joining again. */
  onAssigned(lanes: readonly number[]): Promise<void>;
  /** Lanes may go to others next; the last moment to commit. Until `onAssigned` nothing may be called finished. */
  onRebalance(): Promise<void>;
  /** All lanes are with others now. */
  onLost(): void;
}

const lostMembership = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'FENCED_INSTANCE_ID']);
const movedCoordinator = new Set(['NOT_COORDINATOR_FOR_GROUP', 'GROUP_COORDINATOR_NOT_AVAILABLE']);
/** What every broker allows unless it is told otherwise (`group.min.session.timeout.ms`). */
const usualMinimumSessionMs = 6000;
const longestPauseMs = 1000;
const goodbyeMs = 3000;

export class GroupMember {
  readonly #options: GroupMemberOptions;
  readonly #leaving = new AbortController();
  readonly #joined = Promise.withResolvers<void>();
  readonly #lived: Promise<void>;
  #sessionTimeoutMs: number;
  #coordinator: { broker: Coordinator; of: Cluster } | undefined;
  #memberId = '';
  #generation = -1;
  #lanes: readonly number[] = [];
  /** Our lanes are set up and the group isn't rebalancing. */
  #stable = false;
  /** Cuts the pause before the next heartbeat short. */
  #beatNow = new AbortController();

  constructor(options: GroupMemberOptions) {
    this.#options = options;
    this.#sessionTimeoutMs = options.sessionTimeoutMs;
    this.#lived = this.#live();
  }

  /** Resolves with the first assignment. */
  get joined(): Promise<void> {
    return this.#joined.promise;
  }

  /** Rejects when we aren't who may commit these any more, or nobody took them. */
  async commit(places: readonly CommittedPlace[]): Promise<void> {
    if (places.length === 0) return;
    const found = new Map(places.map((place) => [`${place.topic}/${place.partition}`, place]));
    const topics = byTopic(places).map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((partition) => {
        const { offset, metadata } = found.get(`${topic}/${partition}`)!;
        return { partition, offset: `${offset}`, metadata };
      }),
    }));
    const identity = { groupId: this.#options.groupId, memberId: this.#memberId, groupGenerationId: this.#generation };
    try {
      await this.#ask((coordinator) => coordinator.offsetCommit({ ...identity, topics }));
    } catch (error) {
      this.#beatNow.abort();
      throw error;
    }
  }

  /** Leaves at once, so that nobody waits for our session to run out. `lastCommit` is asked for if we still may commit. */
  async leave(lastCommit: () => readonly CommittedPlace[]): Promise<void> {
    this.#leaving.abort();
    this.#beatNow.abort();
    this.#joined.reject(new Error('The consumer left before it had joined.'));
    this.#joined.promise.catch(() => {});
    await Promise.race([this.#depart(lastCommit), wait(goodbyeMs, undefined, { ref: false })]);
  }

  async #depart(lastCommit: () => readonly CommittedPlace[]): Promise<void> {
    await this.#lived;
    if (this.#memberId === '') return;
    try {
      if (this.#stable) await this.commit(lastCommit());
    } catch (error) {
      this.#options.log.warn(
        { reason: reasonOf(error) },
        'the last progress could not be committed; it will be repeated',
      );
    }
    const { groupId } = this.#options;
    await this.#ask((coordinator) => coordinator.leaveGroup({ groupId, memberId: this.#memberId })).catch(() => {});
  }

  async #live(): Promise<void> {
    let failures = 0;
    while (!this.#leaving.signal.aborted) {
      try {
        await this.#join();
        if (this.#leaving.signal.aborted) return;
        await this.#options.onAssigned(this.#lanes);
        this.#stable = true;
        failures = 0;
        this.#joined.resolve();
        await this.#beat();
        if (this.#leaving.signal.aborted) return;
        this.#stable = false;
        await this.#options.onRebalance();
      } catch (error) {
        await this.#recover(error, failures++);
      }
    }
  }

  async #recover(error: unknown, failures: number): Promise<void> {
    const type = errorType(error) ?? '';
    this.#stable = false;
    if (lostMembership.has(type)) {
      this.#memberId = '';
      this.#generation = -1;
      this.#lanes = [];
      this.#options.onLost();
      this.#options.log.warn({ group: this.#options.groupId, type }, 'no member of the group any more; joining anew');
    } else if (type === 'INVALID_SESSION_TIMEOUT' && this.#sessionTimeoutMs < usualMinimumSessionMs) {
      const fields = { sessionTimeoutMs: this.#sessionTimeoutMs, insteadMs: usualMinimumSessionMs };
      const advice = 'lower group.min.session.timeout.ms at the brokers, or jobs of a killed worker wait that long';
      this.#options.log.warn(fields, `the brokers refuse so short a session; ${advice}`);
      this.#sessionTimeoutMs = usualMinimumSessionMs;
    } else if (type !== 'REBALANCE_IN_PROGRESS') {
      const pauseMs = Math.min(50 * 2 ** failures, longestPauseMs);
      this.#options.log.warn({ reason: reasonOf(error), pauseMs }, 'joining the group failed; it is tried again');
      await wait(pauseMs, undefined, { signal: this.#leaving.signal, ref: false }).catch(() => {});
    }
  }

  async #join(): Promise<void> {
    const { groupId, topics, laneCount, heartbeatMs } = this.#options;
    const sessionTimeout = this.#sessionTimeoutMs;
    const group = await this.#ask((coordinator) =>
      coordinator.joinGroup({
        groupId,
        sessionTimeout,
        // How long the others wait for a member that lives but doesn't come.
        rebalanceTimeout: sessionTimeout + 2 * heartbeatMs,
        memberId: this.#memberId,
        groupProtocols: [{ name: assignerName, metadata: encodeClaim(topics, this.#lanes, this.#generation) }],
      }),
    );
    const { memberId, generationId, leaderId, members } = group;
    this.#memberId = memberId;
    const claims = members.map((member) => decodeClaim(member.memberId, member.memberMetadata));
    const shares = memberId === leaderId ? assignLanes(laneCount, claims) : new Map<string, number[]>();
    const groupAssignment = [...shares].map(([member, lanes]) => ({
      memberId: member,
      memberAssignment: encodeAssignment(topics, lanes),
    }));
    const { memberAssignment } = await this.#ask((coordinator) =>
      coordinator.syncGroup({ groupId, generationId, memberId, groupAssignment }),
    );
    this.#lanes = decodeAssignment(topics[0], memberAssignment);
    this.#generation = generationId;
  }

  /** Until the group rebalances or we leave. A coordinator that cannot be reached doesn't end our membership; it will say if it does. */
  async #beat(): Promise<void> {
    const { groupId, heartbeatMs, log } = this.#options;
    while (!this.#leaving.signal.aborted) {
      await wait(heartbeatMs, undefined, { signal: this.#beatNow.signal, ref: false }).catch(() => {});
      if (this.#leaving.signal.aborted) return;
      if (this.#beatNow.signal.aborted) this.#beatNow = new AbortController();
      const identity = { groupId, memberId: this.#memberId, groupGenerationId: this.#generation };
      try {
        await this.#ask((coordinator) => coordinator.heartbeat(identity));
      } catch (error) {
        const type = errorType(error) ?? '';
        if (type === 'REBALANCE_IN_PROGRESS') return;
        if (lostMembership.has(type)) throw error;
        log.warn({ reason: reasonOf(error) }, 'the group could not be told that we live');
      }
    }
  }

  async #ask<Answer>(question: (coordinator: Coordinator) => Promise<Answer>): Promise<Answer> {
    try {
      return await this.#options.link.use(async (cluster) => {
        if (this.#coordinator?.of !== cluster) {
          const broker = await cluster.findGroupCoordinator({ groupId: this.#options.groupId });
          this.#coordinator = { broker: broker as Coordinator, of: cluster };
        }
        return question(this.#coordinator.broker);
      });
    } catch (error) {
      if (movedCoordinator.has(errorType(error) ?? '')) this.#coordinator = undefined;
      throw error;
    }
  }
}
