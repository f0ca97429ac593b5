/**
 * IdempotencyStore over Redis: one hash per request, forgotten by Redis itself when its time is over. Time is the server's clock. A claim
 * carries a mark, so that the same call, sent again after a lost connection, still begins.
 */
import type { BeginResult, IdempotencyStore, StoredResponse } from '@inkwell/ports';
import type { RedisConnection } from './connection.ts';
import type { Keyspace } from './keyspace.ts';
import { newMark } from './mark.ts';
import { script, serverClock } from './script.ts';

/** Answers {outcome, resource id, response}. */
const begin = script(`${serverClock}
local requestHash, resource, claimTtl, retention, mark = unpack(ARGV)
local known = redis.call('HMGET', KEYS[1], 'hash', 'resource', 'until', 'response', 'mark', 'outcome')
if known[5] == mark then return {known[6], known[2]} end
local outcome = 'new'
if known[1] then
  if known[1] ~= requestHash then return {'mismatch'} end
  resource = known[2]
  if known[4] then return {'replay', resource, known[4]} end
  if tonumber(known[3]) > now then return {'in_progress', resource} end
  outcome = 'resumed'
end
redis.call('HSET', KEYS[1], 'hash', requestHash, 'resource', resource, 'until', now + claimTtl, 'mark', mark, 'outcome', outcome)
redis.call('PEXPIRE', KEYS[1], retention)
return {outcome, resource}
`);

/** The first answer stands: what was replayed once is replayed the same for ever. Nothing is kept for a claim that is forgotten. */
const finish = script(`
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSETNX', KEYS[1], 'response', ARGV[1]) end
`);

const abandon = script(`
if redis.call('HEXISTS', KEYS[1], 'response') == 0 then redis.call('DEL', KEYS[1]) end
`);

export function createIdempotencyStore(connection: RedisConnection, keys: Keyspace): IdempotencyStore {
  return {
    async begin(claim) {
      const args = [claim.requestHash, claim.resourceId, claim.claimTtlMs, claim.retentionMs, newMark()];
      const name = keys.request(claim.tenant, claim.key);
      return toResult(await connection.call((redis) => begin.run(redis, [name], args)));
    },

    async finish(tenant, key, response) {
      await connection.call((redis) => finish.run(redis, [keys.request(tenant, key)], [JSON.stringify(response)]));
    },

    async abandon(tenant, key) {
      await connection.call((redis) => abandon.run(redis, [keys.request(tenant, key)], []));
    },
  };
}

function toResult(answer: unknown): BeginResult {
  const [outcome, resourceId, response] = answer as [string, string, string];
  switch (outcome) {
    case 'new':
    case 'resumed':
      return { outcome: 'begin', resourceId, resumed: outcome === 'resumed' };
    case 'replay':
      return { outcome, resourceId, response: JSON.parse(response) as StoredResponse };
    case 'in_progress':
      return { outcome, resourceId };
    case 'mismatch':
      return { outcome };
    default:
      throw new Error(`The idempotency script answered ${outcome}.`);
  }
}
