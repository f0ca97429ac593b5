/**
 * Names of what is kept in Redis. All keys of one job share a hash tag, so that a script that needs them both also runs on a Redis Cluster.
 */
import type { JobKey } from '@inkwell/contracts';

export interface Keyspace {
  /** Hash: fence, owner, until, ended and the mark of the latest taking. */
  job(key: JobKey): string;
  /** List: event n is entry n − 1, behind the mark of its append. */
  events(key: JobKey): string;
  /** Pub/sub channel that is rung when the story moves. */
  bell(key: JobKey): string;
  /** Sorted set of the jobs whose lease somebody has, by when it runs out (Unix ms of the server). */
  leases: string;
  /** Hash: what a worker said last, and what is asked of it. */
  worker(id: string): string;
  /** Set: ids of all workers, some of which may be gone. */
  workers: string;
  /** Hash: one remembered request. */
  request(tenant: string, key: string): string;
  /** Pub/sub channel of a topic of announcements. */
  topic(topic: string): string;
}

export function keyspace(prefix: string): Keyspace {
  return {
    job: (key) => `${prefix}{${key}}:job`,
    events: (key) => `${prefix}{${key}}:events`,
    bell: (key) => `${prefix}{${key}}:bell`,
    leases: `${prefix}leases`,
    worker: (id) => `${prefix}worker:${id}`,
    workers: `${prefix}workers`,
    topic: (topic) => `${prefix}topic:${topic}`,
    request: (tenant, key) => `${prefix}request:${JSON.stringify([tenant, key])}`,
  };
}
