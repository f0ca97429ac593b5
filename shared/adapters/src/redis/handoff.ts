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

/** Most workers that one call looks at: those with most places. */
const mostOffers = 16;

/**
 * Lua for whoever makes jobs: `newOffers`, then `handOver` for each, which gives the job to the worker with most places, if these are enough, and answers that
 * one's name and how long its lease lasts, then `tellOffers`. A worker whose offer has run out, or that nobody can be heard of, is passed over from then on. A
 * worker is told of all its jobs of one call together, a line each. Arguments: places, what the names of workers' hashes and channels begin with;
 * places wanted, the record as JSON.
 */
export const handOver = `
local function newOffers(places, prefix)
  local offers = {places = places, prefix = prefix}
  local found = redis.call('ZREVRANGE', places, 0, ${mostOffers - 1}, 'WITHSCORES')
  for index = 1, #found, 2 do
    offers[#offers + 1] = {worker = found[index], free = tonumber(found[index + 1]), given = 0, lines = {}}
  end
  return offers
end
local function isHeardOf(offers, offer)
  if offer.taken then return true end
  local own = offers.prefix .. offer.worker
  local taken, ttl = unpack(redis.call('HMGET', own, 'taken', 'leaseTtl'))
  if taken and redis.call('PUBSUB', 'NUMSUB', own)[2] > 0 then
    offer.taken, offer.ttl = tonumber(taken), tonumber(ttl)
    return true
  end
  redis.call('ZREM', offers.places, offer.worker)
  offer.free = -1
end
local function handOver(offers, wanted, record)
  while true do
    local most
    for _, offer in ipairs(offers) do
      if offer.free >= wanted and (not most or offer.free > most.free) then most = offer end
    end
    if not most then return end
    if isHeardOf(offers, most) then
      most.free, most.given = most.free - wanted, most.given + wanted
      most.lines[#most.lines + 1] = string.format('%.0f ', most.taken + most.given) .. record
      return most.worker, most.ttl
    end
  end
end
local function tellOffers(offers)
  for _, offer in ipairs(offers) do
    if offer.given > 0 then
      local own = offers.prefix .. offer.worker
      redis.call('HINCRBY', own, 'taken', offer.given)
      redis.call('ZINCRBY', offers.places, -offer.given, offer.worker)
      redis.call('PUBLISH', own, table.concat(offer.lines, '\\n'))
    end
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

  /** JSON holds no line break, so each line is one job. */
  #hear(message: string): void {
    for (const line of message.split('\n')) {
      const space = line.indexOf(' ');
      this.#seen = Math.max(this.#seen, Number(line.slice(0, space)));
      const given = JSON.parse(line.slice(space + 1)) as NewJob;
      this.#receiver.onJob({ record: begun(given), fence: firstFence });
    }
  }
}
