/**
 * WorkerRegistry over Redis: one hash per worker that expires with its time to live, and a set of all names. Time is the server's clock. A
 * heartbeat sent twice after a lost connection says the same twice.
 */
import type { Numerics, WorkerEntry, WorkerRegistry, WorkerWish } from '@inkwell/ports';
import type { RedisConnection } from './connection.ts';
import type { Keyspace } from './keyspace.ts';
import { script, serverClock } from './script.ts';

/** Answers the wish. */
const beat = script(`${serverClock}
local id, report, ttl = unpack(ARGV)
redis.call('SADD', KEYS[2], id)
redis.call('HSET', KEYS[1], 'report', report, 'seenAt', now)
redis.call('PEXPIRE', KEYS[1], ttl)
return redis.call('HGET', KEYS[1], 'wish') or 'run'
`);

/** Answers 1 when the worker lives. */
const ask = script(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'wish', ARGV[1])
return 1
`);

/** Answers what holds. */
const agree = script(`${serverClock}
local proposed, ttl, mayReplace = unpack(ARGV)
local held = redis.call('HMGET', KEYS[1], 'numerics', 'until')
local isHeld = held[1] and (tonumber(held[2]) > now or mayReplace == '0')
if isHeld and held[1] ~= proposed then return held[1] end
redis.call('HSET', KEYS[1], 'numerics', proposed, 'until', now + ttl)
return proposed
`);

export function createWorkerRegistry(connection: RedisConnection, keys: Keyspace): WorkerRegistry {
  return {
    async heartbeat(report, ttlMs) {
      const args = [report.id, JSON.stringify(report), ttlMs];
      return (await connection.call((redis) =>
        beat.run(redis, [keys.worker(report.id), keys.workers], args),
      )) as WorkerWish;
    },

    async leave(id) {
      await connection.call((redis) => Promise.all([redis.del(keys.worker(id)), redis.srem(keys.workers, id)]));
    },

    async list() {
      const ids = (await connection.call((redis) => redis.smembers(keys.workers))).sort();
      const rows = await connection.call((redis) =>
        Promise.all(ids.map((id) => redis.hmget(keys.worker(id), 'report', 'seenAt', 'wish'))),
      );
      const gone = ids.filter((_, index) => rows[index]?.[0] == null);
      // One that beats again in this very moment enters its name anew with its next beat.
      if (gone.length > 0) await connection.call((redis) => redis.srem(keys.workers, ...gone));
      return rows.flatMap(([report, seenAt, wish]) =>
        report == null ? [] : [toEntry(report, Number(seenAt), (wish ?? 'run') as WorkerWish)],
      );
    },

    async agree(numerics, ttlMs, mayReplace) {
      // Compared as text, so always in one order.
      const sorted = Object.fromEntries(Object.entries(numerics).sort(([a], [b]) => (a < b ? -1 : 1)));
      const args = [JSON.stringify(sorted), ttlMs, mayReplace ? 1 : 0];
      return JSON.parse(
        (await connection.call((redis) => agree.run(redis, [keys.numerics], args))) as string,
      ) as Numerics;
    },

    async ask(id, wish) {
      return (await connection.call((redis) => ask.run(redis, [keys.worker(id)], [wish]))) === 1;
    },
  };
}

function toEntry(report: string, seenAt: number, wish: WorkerWish): WorkerEntry {
  return { ...JSON.parse(report), seenAt, wish };
}
