/**
 * Sees to it that finished jobs are removed once they are older than they are to be kept. Every process that has the store open tries; in each
 * interval one of them gets the turn. Time is the server's clock.
 */
import type { RedisConnection, RedisLog } from './connection.ts';
import type { Keyspace } from './keyspace.ts';
import { prune } from './prune.ts';
import { script, serverClock } from './script.ts';

/** Answers the server's time (Unix ms) to the first who asks in an interval, nothing to the others. */
const takeTurn = script(`${serverClock}
return redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[1]) and now
`);

export interface Retention {
  retentionMs: number;
  everyMs: number;
  log: RedisLog;
}

export function keepRetention(connection: RedisConnection, keys: Keyspace, options: Retention): void {
  const { retentionMs, everyMs, log } = options;
  const sweep = async () => {
    try {
      const now = await connection.call((redis) => takeTurn.run(redis, [keys.sweepTurn], [Math.ceil(everyMs / 2)]));
      if (now === null) return;
      const removed = await prune(connection, keys, Number(now) - retentionMs);
      if (removed > 0) log(`redis: ${removed} old jobs removed`);
    } catch (error) {
      if (!connection.closed.aborted) log(`redis: old jobs could not be removed; tried again later: ${String(error)}`);
    }
  };
  const timer = setInterval(() => void sweep(), everyMs).unref();
  connection.closed.addEventListener('abort', () => clearInterval(timer));
}
