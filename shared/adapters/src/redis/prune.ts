/** Removes finished jobs with their stories and all that finds them, in small batches: a large backlog never holds up living jobs. */
import type { JobKey, JobState, NewJob } from '@inkwell/contracts';
import type { RedisConnection } from './connection.ts';
import { removeJob } from './job-scripts.ts';
import { tenantOf } from './job-store.ts';
import type { Keyspace } from './keyspace.ts';

const batchSize = 100;

/** Answers how many jobs finished before `beforeMs` (Unix ms) were removed. */
export async function prune(connection: RedisConnection, keys: Keyspace, beforeMs: number): Promise<number> {
  let removed = 0;
  for (;;) {
    const range = [keys.finished, '-inf', `(${beforeMs}`, 'LIMIT', 0, batchSize] as const;
    const found = (await connection.call((redis) => redis.zrangebyscore(...range))) as JobKey[];
    const answers = await Promise.all(found.map((key) => remove(connection, keys, key, beforeMs)));
    const now = answers.filter(Boolean).length;
    removed += now;
    if (now === 0) return removed;
  }
}

async function remove(connection: RedisConnection, keys: Keyspace, key: JobKey, beforeMs: number): Promise<boolean> {
  const [given, state] = await connection.call((redis) => redis.hmget(keys.job(key), 'given', 'state'));
  const tenant = tenantOf(key);
  const names = [keys.job(key), keys.events(key), keys.finished, keys.leases];
  if (given != null) {
    const { metadata } = JSON.parse(given) as NewJob;
    names.push(keys.jobsIn(tenant, state as JobState));
    for (const [name, value] of Object.entries(metadata)) names.push(keys.jobsWith(tenant, name, value));
  }
  return (await connection.call((redis) => removeJob.run(redis, names, [key, beforeMs]))) === 1;
}
