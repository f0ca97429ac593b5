/**
 * Handoff over Redis. A worker says how many jobs it has heard of in all and how many more it takes; what was given away meanwhile is known to
 * the server alone, so their difference is right however offers and jobs cross. Every job carries the count that it makes, so one
 * that was lost is in the next one's.
 */
import type { NewJob } from '@inkwell/contracts';
import type { Handoff, HandoffReceiver, PlaceOffer } from '@inkwell/ports';
import type { ChannelListener, Channels } from './channels.ts';
import type { RedisConnection } from './connection.ts';
import { begun } from './job-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { script } from './script.ts';

/** Of a job that is handed over when it is made. */
const firstFence = 1;

/**
 * Lua for whoever makes a job: gives it to the worker with most places, if these are enough, and answers that one's name and how long its lease
 * lasts. A worker whose offer has run out, or that nobody can be heard of, is passed over from then on. Arguments: places, what
 * the names of workers' hashes and channels begin with, places wanted, the record as JSON.
 */
export const handOver = `
local function handOver(places, prefix, wanted, given)
  for attempt = 1, 4 do
    local worker, free = unpack(redis.call('ZREVRANGE', places, 0, 0, 'WITHSCORES'))
    if not worker or tonumber(free) < wanted then return end
    local own = prefix .. worker
    local taken, ttl = unpack(redis.call('HMGET', own, 'taken', 'leaseTtl'))
    if taken and redis.call('PUBLISH', own, string.format('%.0f ', taken + wanted) .. given) > 0 then
      redis.call('HINCRBY', own, 'taken', wanted)
      redis.call('ZINCRBY', places, -wanted, worker)
      return worker, tonumber(ttl)
    end
    redis.call('ZREM', places, worker)
  end
end
`;

/** Answers how many places were given away so far. KEYS: places, the worker's hash. */
const offerPlaces = script(`
local worker, count, seen, offerTtl, leaseTtl = unpack(ARGV)
local taken = tonumber(redis.call('HGET', KEYS[2], 'taken') or seen)
redis.call('HSET', KEYS[2], 'taken', taken, 'leaseTtl', leaseTtl)
redis.call('PEXPIRE', KEYS[2], offerTtl)
local open = seen + count - taken
if open > 0 then redis.call('ZADD', KEYS[1], open, worker) else redis.call('ZREM', KEYS[1], worker) end
return taken
`);

export function createHandoff(connection: RedisConnection, channels: Channels, keys: Keyspace): Handoff {
  return {
    async receive(receiver) {
      const offer = new RedisPlaceOffer(connection, channels, keys, receiver);
      await offer.listen();
      return offer;
    },

    async settled(jobs) {
      await connection.call((redis) => redis.zrem(keys.leases, ...jobs));
    },
  };
}

class RedisPlaceOffer implements PlaceOffer {
  readonly #connection: RedisConnection;
  readonly #channels: Channels;
  readonly #keys: Keyspace;
  readonly #receiver: HandoffReceiver;
  readonly #listener: ChannelListener;
  /** Places that were given away, as far as we have heard. */
  #seen = 0;
  /** Places offered and given away, in all. */
  #granted = 0;
  /** Something may have been missed. */
  #gap = false;

  constructor(connection: RedisConnection, channels: Channels, keys: Keyspace, receiver: HandoffReceiver) {
    this.#connection = connection;
    this.#channels = channels;
    this.#keys = keys;
    this.#receiver = receiver;
    this.#listener = {
      onMessage: (message) => this.#hear(message),
      onAgain: () => {
        this.#gap = true;
      },
    };
  }

  get open(): number {
    return Math.max(0, this.#granted - this.#seen);
  }

  listen(): Promise<void> {
    return this.#channels.listen(this.#keys.handoff(this.#receiver.workerId), this.#listener);
  }

  async offer(places: number): Promise<void> {
    const { workerId, offerTtlMs, leaseTtlMs } = this.#receiver;
    const gap = this.#gap;
    this.#gap = false;
    const granted = this.#seen + places;
    const args = [workerId, places, this.#seen, offerTtlMs, leaseTtlMs];
    const names = [this.#keys.places, this.#keys.handoff(workerId)];
    try {
      const taken = Number(await this.#connection.call((redis) => offerPlaces.run(redis, names, args)));
      this.#granted = granted;
      if (gap) this.#seen = Math.max(this.#seen, taken);
    } catch (error) {
      this.#gap ||= gap;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#channels.leave(this.#keys.handoff(this.#receiver.workerId), this.#listener);
    const { places, handoff } = this.#keys;
    const { workerId } = this.#receiver;
    await this.#connection.call((redis) => Promise.all([redis.zrem(places, workerId), redis.del(handoff(workerId))]));
  }

  #hear(message: string): void {
    const space = message.indexOf(' ');
    this.#seen = Math.max(this.#seen, Number(message.slice(0, space)));
    const given = JSON.parse(message.slice(space + 1)) as NewJob;
    this.#receiver.onJob({ record: begun(given), fence: firstFence });
  }
}
