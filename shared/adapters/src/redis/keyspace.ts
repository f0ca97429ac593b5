/** Names of what is kept in Redis. Scripts concern keys of many jobs and counts of all, so they are for one primary, not for a Redis Cluster. */
import type { JobKey, JobState } from '@inkwell/contracts';

export interface Keyspace {
  /** Hash: a job's record (job-hash.ts says which fields), and of its lease and story: fence, owner, until, take, ended, followers. */
  job(key: JobKey): string;
  /** List: event n is entry n − 1, behind the mark of its append. */
  events(key: JobKey): string;
  /** Pub/sub channel on which a process hears of the stories it follows. */
  feed(process: string): string;
  /** Sorted set of the jobs whose lease somebody has, by when it runs out (Unix ms of the server). */
  leases: string;
  /** Sorted set of the workers that offer places, by how many. */
  places: string;
  /** Hash: of a worker that offers places, how many were given away and how long leases last; lives as long as the offer. And the channel on which the worker is handed jobs. */
  handoff(worker: string): string;
  /** Sorted set of all queued jobs, by creation (Unix ms). */
  queued: string;
  /** Sorted set of the queued jobs whose message isn't known to be on the bus, by creation (Unix ms). */
  unpublished: string;
  /** Sorted set of all finished jobs, by when they finished (Unix ms). */
  finished: string;
  /** Hash: `ordinal:PRIORITY` and `departed:PRIORITY` of the queue, `handed` (over, beside it), and `ended`, over all time. */
  counts: string;
  /** Sorted set of a tenant's jobs in a state, by creation (Unix ms). */
  jobsIn(tenant: string, state: JobState): string;
  /** Sorted set of a tenant's jobs with a metadata pair, by creation (Unix ms). */
  jobsWith(tenant: string, name: string, value: string): string;
  /** Hash: what a worker said last, and what is asked of it. */
  worker(id: string): string;
  /** Hash: the numerics that all workers agree on, and until when they hold unless confirmed (Unix ms of the server). */
  numerics: string;
  /** Set: ids of all workers, some of which may be gone. */
  workers: string;
  /** Hash: what was taken of one limit; for a minute by slot, with the sum in `used` and the oldest slot in `first`. */
  counter(name: string): string;
  /** String: the tokens reserved for a job, and in which counters. */
  reservation(id: string): string;
  /** Hash: one remembered request. */
  request(tenant: string, key: string): string;
  /** Pub/sub channel of a topic of announcements. */
  topic(topic: string): string;
}

export function keyspace(prefix: string): Keyspace {
  return {
    job: (key) => `${prefix}{${key}}:job`,
    events: (key) => `${prefix}{${key}}:events`,
    feed: (process) => `${prefix}feed:${process}`,
    leases: `${prefix}leases`,
    places: `${prefix}places`,
    handoff: (worker) => `${prefix}handoff:${worker}`,
    queued: `${prefix}queued`,
    unpublished: `${prefix}unpublished`,
    finished: `${prefix}finished`,
    counts: `${prefix}counts`,
    jobsIn: (tenant, state) => `${prefix}jobs:${state}:${tenant}`,
    jobsWith: (tenant, name, value) => `${prefix}jobs:with:${JSON.stringify([tenant, name, value])}`,
    worker: (id) => `${prefix}worker:${id}`,
    workers: `${prefix}workers`,
    numerics: `${prefix}numerics`,
    topic: (topic) => `${prefix}topic:${topic}`,
    counter: (name) => `${prefix}limit:${name}`,
    reservation: (id) => `${prefix}reserved:${id}`,
    request: (tenant, key) => `${prefix}request:${JSON.stringify([tenant, key])}`,
  };
}
