/**
 * Finds a tenant's jobs, newest first. Without metadata the sets of the wanted states are merged, so that a few jobs of a rare state are found
 * at once among millions; with metadata the set of the first pair is gone through. Each step is bounded, however many jobs there are.
 */
import { type JobKey, type JobRecord, type JobState, jobKey, jobStates } from '@inkwell/contracts';
import type { JobFilter, JobPage, JobStore } from '@inkwell/ports';
import type { RedisConnection } from './connection.ts';
import { recordFields, toRecord } from './job-hash.ts';
import { lookAtIndexes } from './job-scripts.ts';
import type { Keyspace } from './keyspace.ts';

const maxPageSize = 100;

/** Where a job stands in the order. */
interface Place {
  createdAt: number;
  key: JobKey;
}

interface Look {
  found: Place[];
  /** Where to go on; undefined when nothing is left. */
  next: Place | undefined;
}

export async function searchJobs(
  connection: RedisConnection,
  keys: Keyspace,
  filter: JobFilter,
  page: JobPage,
): ReturnType<JobStore['list']> {
  const { tenant, states } = filter;
  const limit = Math.min(Math.max(1, Math.trunc(page.limit)), maxPageSize);
  const look = prepareLook(connection, keys, filter);
  const records: JobRecord[] = [];
  let place: Place | undefined;
  if (page.after !== undefined) {
    place = await findPlace(connection, keys, jobKey(tenant, page.after));
    if (place === undefined) return { records, hasMore: false };
  }
  do {
    const { found, next } = await look(place, limit + 1);
    for (const record of await readRecords(
      connection,
      keys,
      found.map(({ key }) => key),
    )) {
      if (states === undefined || states.includes(record.state)) records.push(record);
    }
    place = next;
  } while (place !== undefined && records.length <= limit);
  return { records: records.slice(0, limit), hasMore: records.length > limit };
}

/** Records of the jobs that still exist, in the given order. */
export async function readRecords(
  connection: RedisConnection,
  keys: Keyspace,
  wanted: readonly JobKey[],
): Promise<JobRecord[]> {
  const rows = await connection.call((redis) =>
    Promise.all(wanted.map((key) => redis.hmget(keys.job(key), ...recordFields))),
  );
  return rows.flatMap((row) => toRecord(row) ?? []);
}

async function findPlace(connection: RedisConnection, keys: Keyspace, key: JobKey): Promise<Place | undefined> {
  const createdAt = await connection.call((redis) => redis.hget(keys.job(key), 'createdAt'));
  return createdAt === null ? undefined : { createdAt: Number(createdAt), key };
}

/** Prepares to look at so many jobs below a place (undefined: at the newest). */
function prepareLook(connection: RedisConnection, keys: Keyspace, filter: JobFilter) {
  const { tenant, states, metadata } = filter;
  const [first, ...others] = Object.entries(metadata ?? {}).map(([name, value]) => keys.jobsWith(tenant, name, value));
  const inStates = [...new Set<JobState>(states ?? jobStates)].map((state) => keys.jobsIn(tenant, state));
  const indexes = first === undefined ? inStates : [first];

  return async (place: Place | undefined, limit: number): Promise<Look> => {
    if (inStates.length === 0) return { found: [], next: undefined };
    const args = [indexes.length, limit, place?.createdAt ?? '', place?.key ?? ''];
    const answer = await connection.call((redis) => lookAtIndexes.run(redis, [...indexes, ...others], args));
    const pages = answer as [looked: number, lastKey: JobKey, lastCreatedAt: string, found: string[]][];
    const found = pages
      .flatMap(([, , , flat]) => toPlaces(flat))
      .filter((one) => place === undefined || isBelow(one, place));
    found.sort((left, right) => (isBelow(left, right) ? 1 : -1));
    const [onlyPage] = pages;
    if (first !== undefined && onlyPage !== undefined) {
      const [looked, key, createdAt] = onlyPage;
      return { found, next: looked < limit ? undefined : { createdAt: Number(createdAt), key } };
    }
    const next = found.length > limit || pages.some(([looked]) => looked >= limit) ? found[limit - 1] : undefined;
    return { found: found.slice(0, limit), next };
  };
}

function toPlaces(flat: readonly string[]): Place[] {
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    key: flat[2 * index] as JobKey,
    createdAt: Number(flat[2 * index + 1]),
  }));
}

/** Comes later in the list: created before, or in the same instant with a lower key (in bytes, as Redis orders). */
function isBelow(one: Place, other: Place): boolean {
  if (one.createdAt !== other.createdAt) return one.createdAt < other.createdAt;
  return Buffer.compare(Buffer.from(one.key), Buffer.from(other.key)) < 0;
}
