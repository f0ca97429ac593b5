/**
 * JobStore over Redis: a hash per job, sorted sets to find jobs by, and one hash of counts. Every change is one script and one round trip. A
 * record stays until `prune` removes it.
 */
import {
  canTransition,
  isTerminal,
  type JobKey,
  type JobRecord,
  type JobState,
  type NewJob,
  type Priority,
  priorities,
} from '@inkwell/contracts';
import type { CreateResult, JobPatch, JobStore, QueueCounts, QueueLimits } from '@inkwell/ports';
import type { RedisConnection } from './connection.ts';
import { begun, recordFields, toFields, toGiven, toRecord } from './job-hash.ts';
import { createJob, moveJob } from './job-scripts.ts';
import { readRecords, searchJobs } from './job-search.ts';
import type { Keyspace } from './keyspace.ts';
import { newMark } from './mark.ts';
import { StepLine } from './step-line.ts';

export function createJobStore(connection: RedisConnection, keys: Keyspace): JobStore {
  const creations = creationLine(connection, keys);
  return {
    create: (job, limits) => createRecord(creations, keys, job, limits),

    async transition(key: JobKey, from: readonly JobState[], to: JobState, patch: JobPatch, fence: number) {
      const froms = from.filter((state) => state === to || canTransition(state, to));
      if (froms.length === 0) return 'conflict';
      const tenant = tenantOf(key);
      const indexes = [to, ...froms].map((state) => keys.jobsIn(tenant, state));
      const names = [keys.job(key), keys.queued, keys.counts, keys.finished, ...indexes, keys.unpublished];
      const terminal = isTerminal(to) ? 1 : 0;
      const finishedAt = patch.finishedAt ?? '';
      const args = [newMark(), fence, to, terminal, finishedAt, key, froms.length, ...froms, ...toFields(patch)];
      const values = (await connection.call((redis) => moveJob.run(redis, names, args))) as (string | null)[] | null;
      return (values === null ? undefined : toRecord(values)) ?? 'conflict';
    },

    async get(key: JobKey) {
      return toRecord(await connection.call((redis) => redis.hmget(keys.job(key), ...recordFields)));
    },

    list: (filter, page) => searchJobs(connection, keys, filter, page),

    async oldestQueuedAt() {
      const [, createdAt] = await connection.call((redis) => redis.zrange(keys.queued, '0', '0', 'WITHSCORES'));
      return createdAt === undefined ? null : Number(createdAt);
    },

    async counts() {
      return toCounts(await connection.call((redis) => redis.hgetall(keys.counts)));
    },

    async markPublished(published: readonly JobKey[]) {
      if (published.length > 0) await connection.call((redis) => redis.zrem(keys.unpublished, ...published));
    },

    async listUnpublished(createdBefore: number, limit: number) {
      const range = [keys.unpublished, '-inf', `(${createdBefore}`, 'LIMIT', 0, limit] as const;
      const found = (await connection.call((redis) => redis.zrangebyscore(...range))) as JobKey[];
      const records = await readRecords(connection, keys, found);
      // It may have left the queue since it was found there.
      return records.filter(({ state }) => state === 'queued');
    },
  };
}

/** `handedTo`: the worker that has the job. */
type Created = CreateResult & { handedTo?: string };

/** What else is done in the step that makes a job. */
interface AtCreation {
  /** The story's first. */
  entry: string;
  /** Of who waits for the story; empty when nobody does. */
  address: string;
  /** It may be handed to a worker that has so many. */
  places: number;
}

const nothingElse: AtCreation = { entry: '', address: '', places: 0 };

type CreateAnswer = [outcome: string, detail: unknown, worker?: string];

export function creationLine(connection: RedisConnection, keys: Keyspace): StepLine<CreateAnswer> {
  const read = (answer: unknown) => answer as CreateAnswer;
  return new StepLine({ connection, script: createJob, shared: keys.handoff(''), read });
}

export async function createRecord(
  creations: StepLine<CreateAnswer>,
  keys: Keyspace,
  job: NewJob,
  { maxQueued, maxQueuedPerTenant }: QueueLimits,
  { entry, address, places } = nothingElse,
): Promise<Created> {
  if (job.state !== 'queued') throw new TypeError(`A job is created queued, not ${job.state}.`);
  const { key, tenant, priority, createdAt, metadata } = job;
  const pairs = Object.entries(metadata).map(([name, value]) => keys.jobsWith(tenant, name, value));
  const [queued, running] = [keys.jobsIn(tenant, 'queued'), keys.jobsIn(tenant, 'in_progress')];
  const shared = [keys.queued, keys.counts, keys.leases, running, keys.places, queued];
  const names = [keys.job(key), keys.events(key), ...shared, ...pairs, keys.unpublished];
  const given = toGiven(job);
  const args = [newMark(), maxQueued, maxQueuedPerTenant, key, priority, createdAt, given, entry, address];
  return toCreatedResult(job, await creations.take(names, [...args, places]));
}

/** The tenant is what stands before the first colon of a key. */
export function tenantOf(key: JobKey): string {
  return key.slice(0, key.indexOf(':'));
}

function toCreatedResult(job: NewJob, [outcome, detail, worker]: CreateAnswer): Created {
  switch (outcome) {
    case 'created': {
      const ordinal = Number(detail);
      return worker ? { outcome, record: begun(job), handedTo: worker } : { outcome, record: { ...job, ordinal } };
    }
    case 'exists':
      return { outcome, record: toRecord(detail as (string | null)[]) as JobRecord };
    case 'tenant':
    case 'queue':
      return { outcome: 'full', scope: outcome, queued: Number(detail) };
    default:
      throw new Error(`The create script answered ${outcome}.`);
  }
}

/** Every job that came into the queue and hasn't departed is queued; every one that departed or was handed over and hasn't ended is in progress. */
function toCounts(counters: Record<string, string>): QueueCounts {
  const counter = (name: string) => Number(counters[name] ?? 0);
  const byPriority = (count: (priority: Priority) => number) =>
    Object.fromEntries(priorities.map((priority) => [priority, count(priority)])) as Record<Priority, number>;
  const departed = byPriority((priority) => counter(`departed:${priority}`));
  return {
    queued: byPriority((priority) => counter(`ordinal:${priority}`) - departed[priority]),
    inProgress: priorities.reduce((sum, priority) => sum + departed[priority], counter('handed')) - counter('ended'),
    departed,
  };
}
