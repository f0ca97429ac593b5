/**
 * RateLimiter over Redis: one script, so one round trip, whatever the number of limits. A minute's counter is a hash of its slots with their sum, so that
 * granting costs three commands per limit; slots are walked when the oldest leaves the window or a request is refused. Time is the server's clock;
 * only the names of days and months come from the caller's. A take sent twice after a lost connection meets its own reservation.
 */
import { counterOf, minuteKeptMs, reservationKeptMs, slotMs, slotsPerMinute } from '@inkwell/limits';
import { type Clock, type Limit, type LimitUse, type RateLimiter, systemClock, type TakeResult } from '@inkwell/ports';
import type { RedisConnection } from './connection.ts';
import type { Keyspace } from './keyspace.ts';
import { script, serverClock } from './script.ts';

/**
 * KEYS: the reservation, then the counters. ARGV: a moment to use instead of the server's (tests set it) or 0, the tokens or '' to only look, then
 * per limit its amount, its cost, and the end of its period or 0 for a minute.
 * Answers {outcome, index of the refusing limit, when to come back (-1 = never), then per limit what is used and the oldest slot}.
 */
const take = script(`${serverClock}
if ARGV[1] ~= '0' then now = tonumber(ARGV[1]) end
local tokens = ARGV[2]
local slot = math.floor(now / ${slotMs})
local function leavesAt(number) return (number + ${slotsPerMinute + 1}) * ${slotMs} end
local function slotsOf(key)
  local all, slots = redis.call('HGETALL', key), {}
  for index = 1, #all, 2 do
    local number = tonumber(all[index])
    if number then slots[#slots + 1] = {number, tonumber(all[index + 1])} end
  end
  table.sort(slots, function(a, b) return a[1] < b[1] end)
  return slots
end
local function sweep(key, used)
  local first
  for _, entry in ipairs(slotsOf(key)) do
    if entry[1] < slot - ${slotsPerMinute} then
      redis.call('HDEL', key, entry[1])
      used = used - entry[2]
    else
      first = first or entry[1]
    end
  end
  if first then redis.call('HSET', key, 'used', used, 'first', first) else redis.call('DEL', key) end
  return used, first
end
local function comesBackAt(key, used, amount, cost, ends)
  if cost > amount then return -1 end
  if ends > 0 then return ends end
  for _, entry in ipairs(slotsOf(key)) do
    used = used - entry[2]
    if used + cost <= amount then return leavesAt(entry[1]) end
  end
  return leavesAt(slot)
end
local outcome, by, retryAt = 'granted', 0, 0
if tokens == '' or redis.call('EXISTS', KEYS[1]) == 1 then outcome = 'held' end
local answer = {}
for index = 1, #KEYS - 1 do
  local key = KEYS[index + 1]
  local amount, cost, ends = tonumber(ARGV[3 * index]), tonumber(ARGV[3 * index + 1]), tonumber(ARGV[3 * index + 2])
  local state = redis.call('HMGET', key, 'used', 'first')
  local used, first = tonumber(state[1] or 0), tonumber(state[2])
  if first and first < slot - ${slotsPerMinute} then used, first = sweep(key, used) end
  answer[2 * index + 2], answer[2 * index + 3] = used, first or -1
  if outcome ~= 'held' and used + cost > amount then
    local at = comesBackAt(key, used, amount, cost, ends)
    if outcome == 'granted' or (retryAt ~= -1 and (at == -1 or at > retryAt)) then by, retryAt = index, at end
    outcome = 'refused'
  end
end
answer[1], answer[2], answer[3] = outcome, by, retryAt
if outcome ~= 'granted' then return answer end
local places, keptMs = {}, ${reservationKeptMs}
for index = 1, #KEYS - 1 do
  local key = KEYS[index + 1]
  local cost, ends = tonumber(ARGV[3 * index + 1]), tonumber(ARGV[3 * index + 2])
  answer[2 * index + 2] = redis.call('HINCRBY', key, 'used', cost)
  if ends > 0 then
    if answer[2 * index + 2] == cost then redis.call('PEXPIRE', key, ends - now) end
  else
    local isNew = redis.call('HINCRBY', key, slot, cost) == cost
    if answer[2 * index + 3] == -1 then
      redis.call('HSET', key, 'first', slot)
      answer[2 * index + 3] = slot
    end
    if isNew then redis.call('PEXPIRE', key, ${minuteKeptMs}) end
  end
  if ARGV[3 * #KEYS + index - 1] == 'tokens' then
    places[#places + 1] = ends > 0 and {key} or {key, slot}
    if ends - now > keptMs then keptMs = ends - now end
  end
end
if #places > 0 then
  redis.call('SET', KEYS[1], cjson.encode({tokens = tonumber(tokens), places = places}), 'PX', math.ceil(keptMs))
end
return answer
`);

/** Answers 1 when there was a reservation. The counters are named in it. */
const settle = script(`
local text = redis.call('GETDEL', KEYS[1])
if not text then return 0 end
local reservation = cjson.decode(text)
local difference = tonumber(ARGV[1]) - reservation.tokens
for _, place in ipairs(reservation.places) do
  local key, slot = place[1], place[2] and string.format('%d', place[2]) or 'used'
  local taken = tonumber(redis.call('HGET', key, slot))
  if taken then
    local change = math.max(difference, -taken)
    redis.call('HINCRBY', key, slot, change)
    if place[2] then redis.call('HINCRBY', key, 'used', change) end
  end
end
return 1
`);

/** @param clock names days and months; with `ownTime` it also takes the place of the server's clock, for tests that set it */
export function createRateLimiter(
  connection: RedisConnection,
  keys: Keyspace,
  { clock = systemClock, ownTime = false }: { clock?: Clock; ownTime?: boolean } = {},
): RateLimiter {
  const run = async (id: string, limits: readonly Limit[], tokens: number | '') => {
    const now = clock.now();
    const counters = limits.map((limit) => counterOf(limit, now));
    const args = limits.flatMap(({ amount, unit }, index) => [
      amount,
      unit === 'requests' ? 1 : tokens || 0,
      Math.floor(counters[index]!.endsAt ?? 0),
    ]);
    const names = [keys.reservation(id), ...counters.map(({ name }) => keys.counter(name))];
    const moment = ownTime ? Math.floor(now) : 0;
    const units = limits.map(({ unit }) => unit);
    const answer = await connection.call((redis) => take.run(redis, names, [moment, tokens, ...args, ...units]));
    return { answer: answer as [string, number, number, ...number[]], ends: counters.map(({ endsAt }) => endsAt) };
  };

  return {
    async take({ id, limits, tokens }): Promise<TakeResult> {
      const { answer, ends } = await run(id, limits, tokens);
      const [outcome, by, retryAt] = answer;
      const uses = toUses(answer, limits, ends);
      if (outcome !== 'refused') return { outcome: outcome === 'held' ? 'held' : 'granted', uses };
      return { outcome, uses, by: limits[by - 1]!, retryAt: retryAt === -1 ? null : retryAt };
    },

    async settle(id, tokens) {
      return (await connection.call((redis) => settle.run(redis, [keys.reservation(id)], [tokens]))) === 1;
    },

    async usage(limits) {
      const { answer, ends } = await run('', limits, '');
      return toUses(answer, limits, ends);
    },

    async reset(limits) {
      if (limits.length === 0) return;
      const names = limits.map((limit) => keys.counter(counterOf(limit, clock.now()).name));
      await connection.call((redis) => redis.del(...names));
    },
  };
}

function toUses(
  [, , , ...numbers]: readonly [string, number, number, ...number[]],
  limits: readonly Limit[],
  ends: readonly (number | null)[],
): LimitUse[] {
  return limits.map((limit, index) => {
    const [used, first] = [numbers[2 * index]!, numbers[2 * index + 1]!];
    const minuteReturnsAt = (first + slotsPerMinute + 1) * slotMs;
    return { limit, used, returnsAt: used === 0 ? null : (ends[index] ?? minuteReturnsAt) };
  });
}
