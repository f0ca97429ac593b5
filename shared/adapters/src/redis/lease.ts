/**
 * Lease over Redis. Time is the server's clock. A fence is part of the job's hash and lives as long as the record there, or without
 * one the retention after the last write. Taking a lease carries a mark, so that the same call, sent again after a lost connection, answers the
 * same fence instead of meeting itself as a rival.
 */
import type { JobKey } from '@inkwell/contracts';
import type { Lease } from '@inkwell/ports';
import type { RedisConnection } from './connection.ts';
import type { Keyspace } from './keyspace.ts';
import { newMark } from './mark.ts';
import { script, serverClock } from './script.ts';

/** Answers the fence, or 0 when the lease is held. */
const take = script(`${serverClock}
local owner, ttl, mark, force, retention, key = unpack(ARGV)
local lease = redis.call('HMGET', KEYS[1], 'fence', 'until', 'take', 'state')
local fence = tonumber(lease[1] or 0)
if lease[3] == mark then return fence end
if force == '0' and tonumber(lease[2] or 0) > now then return 0 end
redis.call('HSET', KEYS[1], 'fence', fence + 1, 'owner', owner, 'until', now + ttl, 'take', mark)
redis.call('ZADD', KEYS[3], now + ttl, key)
if not lease[4] then
  redis.call('PEXPIRE', KEYS[1], retention)
  redis.call('PEXPIRE', KEYS[2], retention)
end
return fence + 1
`);

/** A ttl of 0 gives the lease up. Answers 1 when the fence is the newest. */
const hold = script(`${serverClock}
local fence, ttl, retention, key = unpack(ARGV)
local lease = redis.call('HMGET', KEYS[1], 'fence', 'state')
if lease[1] ~= fence then return 0 end
redis.call('HSET', KEYS[1], 'until', now + ttl)
if not lease[2] then
  redis.call('PEXPIRE', KEYS[1], retention)
  redis.call('PEXPIRE', KEYS[2], retention)
end
if ttl == '0' then redis.call('ZREM', KEYS[3], key) else redis.call('ZADD', KEYS[3], now + ttl, key) end
return 1
`);

const lapsed = script(
  `${serverClock}
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
`,
  { flags: ['no-writes'] },
);

export function createLease(connection: RedisConnection, keys: Keyspace, retentionMs: number): Lease {
  const keysOf = (key: JobKey) => [keys.job(key), keys.events(key), keys.leases];

  const takeLease = async (key: JobKey, owner: string, ttlMs: number, force: boolean): Promise<number> => {
    const args = [owner, ttlMs, newMark(), force ? 1 : 0, retentionMs, key];
    return Number(await connection.call((redis) => take.run(redis, keysOf(key), args)));
  };

  const holdLease = (key: JobKey, fence: number, ttlMs: number): Promise<unknown> =>
    connection.call((redis) => hold.run(redis, keysOf(key), [fence, ttlMs, retentionMs, key]));

  return {
    async acquire(key, owner, ttlMs) {
      const fence = await takeLease(key, owner, ttlMs, false);
      return fence === 0 ? 'held' : { fence };
    },

    async seize(key, owner, ttlMs) {
      return { fence: await takeLease(key, owner, ttlMs, true) };
    },

    async renew(key, fence, ttlMs) {
      return (await holdLease(key, fence, ttlMs)) === 1 ? 'ok' : 'lost';
    },

    async release(key, fence) {
      await holdLease(key, fence, 0);
    },

    async lapsed(limit) {
      return (await connection.call((redis) => lapsed.run(redis, [keys.leases], [limit]))) as JobKey[];
    },
  };
}
