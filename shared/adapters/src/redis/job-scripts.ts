/**
 * The steps that change jobs. A record, the counts and the indexes move together or not at all. Each leaves its mark, so that it does no
 * harm when it is run twice.
 */
import { handOver } from './handoff.ts';
import { recordFields } from './job-hash.ts';
import { laterWrites } from './later-writes.ts';
import { script, serverClock } from './script.ts';
import { stepScript } from './step-line.ts';

const fields = recordFields.map((field) => `'${field}'`).join(', ');

/**
 * Answers {outcome, …}: `created` with the ordinal and the name of the worker that was handed the job (empty: it waits), `exists` with the
 * record's fields, `tenant` or `queue` (which is full) with how many wait.
 * KEYS: job, events, queued, counts, leases, the tenant's jobs in progress, places, the tenant's queued jobs, then one index per metadata pair,
 * unpublished.
 * ARGV: mark, limits, key, priority, creation, the record as JSON, the story's first entry (empty: none yet), address of who waits for it (or empty),
 * how many places it takes (0: none, it is to wait). For all: what the names of workers' hashes and channels begin with.
 */
export const createJob = stepScript({
  prelude: `${handOver}${laterWrites}
local function append(list, ...)
  for _, value in ipairs({...}) do list[#list + 1] = value end
end
`,
  begin: `${serverClock}
shared = newLater()
shared.now = now
`,
  step: `
local job, events, queued, counts, leases, running, places, waiting = unpack(KEYS, key + 1, key + 8)
local mark, maxQueued, maxQueuedPerTenant, id, priority, createdAt, given, entry, address, wanted = unpack(ARGV, at, last)
local begun = redis.call('EXISTS', job, events) > 0
if begun then
  local created, ordinal, take, owner = unpack(redis.call('HMGET', job, 'created', 'ordinal', 'take', 'owner'))
  if created == mark then return {'created', ordinal, take == mark and owner or ''} end
  if created then return {'exists', redis.call('HMGET', job, ${fields})} end
end
local values = {'given', given, 'priority', priority, 'createdAt', createdAt, 'created', mark}
if address ~= '' then
  append(values, 'followers', (begun and redis.call('HGET', job, 'followers') or '') .. address .. ' ')
end
local worker, ttl
if wanted ~= '0' and not begun then
  shared.offers = shared.offers or newOffers(places, ARGV[1])
  worker, ttl = handOver(shared.offers, tonumber(wanted), given)
end
if worker then
  append(values, 'ordinal', '0', 'state', 'in_progress', 'attempts', '1', 'startedAt', createdAt, 'moved', mark, 'writer', '1',
    'fence', '1', 'owner', worker, 'until', shared.now + ttl, 'take', mark)
  redis.call('HSET', job, unpack(values))
  countLater(shared, counts, 'handed', 1)
  addLater(shared, leases, shared.now + ttl, id)
  addLater(shared, running, createdAt, id)
  for index = key + 9, lastKey - 1 do addLater(shared, KEYS[index], createdAt, id) end
  redis.call('RPUSH', events, entry, mark .. '{"type":"job.started","at":' .. createdAt .. ',"attempt":1,"worker":' .. cjson.encode(worker) .. ',"seq":2}')
  return {'created', '0', worker}
end
local own = redis.call('ZCARD', waiting)
if own >= tonumber(maxQueuedPerTenant) then return {'tenant', own} end
local all = redis.call('ZCARD', queued)
if all >= tonumber(maxQueued) then return {'queue', all} end
local ordinal = redis.call('HINCRBY', counts, 'ordinal:' .. priority, 1)
append(values, 'ordinal', ordinal)
append(values, 'state', 'queued')
redis.call('HSET', job, unpack(values))
redis.call('ZADD', queued, createdAt, id)
for index = key + 8, lastKey do redis.call('ZADD', KEYS[index], createdAt, id) end
if begun then
  redis.call('PERSIST', job)
  redis.call('PERSIST', events)
end
if entry ~= '' and (not begun or redis.call('EXISTS', events) == 0) then redis.call('RPUSH', events, entry) end
return {'created', ordinal, ''}
`,
  end: `
if shared.offers then tellOffers(shared.offers) end
writeAll(shared)
`,
});

/**
 * Answers the record's fields, or nothing for a conflict. The states to come from are those that the table allows.
 * KEYS: job, queued, counts, finished, the tenant's jobs in the new state, then those in each state to come from, unpublished.
 * ARGV: mark, fence, new state, whether that is terminal, when it finished (empty: now), key, number of states to come from, these, then
 * fields and values to set.
 */
export const moveJob = script(`
local mark, fence, to, terminal, finishedAt, key, froms = unpack(ARGV, 1, 7)
froms = tonumber(froms)
local state, writer, moved, priority, createdAt = unpack(redis.call('HMGET', KEYS[1], 'state', 'writer', 'moved', 'priority', 'createdAt'))
if not state then return false end
if moved ~= mark then
  if tonumber(fence) < tonumber(writer or 0) then return false end
  local from
  for index = 1, froms do
    if ARGV[7 + index] == state then from = KEYS[5 + index] end
  end
  if not from then return false end
  redis.call('HSET', KEYS[1], 'state', to, 'writer', fence, 'moved', mark, unpack(ARGV, 8 + froms))
  if to ~= state then
    redis.call('ZREM', from, key)
    redis.call('ZADD', KEYS[5], createdAt, key)
    if state == 'queued' then
      redis.call('ZREM', KEYS[2], key)
      redis.call('ZREM', KEYS[#KEYS], key)
      redis.call('HINCRBY', KEYS[3], 'departed:' .. priority, 1)
    end
    if terminal == '1' then
      redis.call('HINCRBY', KEYS[3], 'ended', 1)
      if finishedAt == '' then finishedAt = redis.call('TIME')[1] * 1000 end
    end
  end
  if terminal == '1' and finishedAt ~= '' then redis.call('ZADD', KEYS[4], finishedAt, key) end
end
return redis.call('HMGET', KEYS[1], ${fields})
`);

/**
 * Removes a job that finished before a moment, with its story. Answers 1 when it did.
 * KEYS: job, events, finished, leases, the tenant's jobs in the job's state, then one index per metadata pair.
 */
export const removeJob = script(
  `
local key, before = unpack(ARGV)
local finishedAt = redis.call('ZSCORE', KEYS[3], key)
if not finishedAt or tonumber(finishedAt) >= tonumber(before) then return 0 end
redis.call('UNLINK', KEYS[1], KEYS[2])
for index = 3, #KEYS do redis.call('ZREM', KEYS[index], key) end
return 1
`,
  { flags: ['allow-oom'] },
);

/**
 * One look at indexes, all in the same instant: of each, members below a place in the order newest first, then highest key first. Answers per
 * index {how many were looked at, {member, score, …}}; the members are those that are in all the other indexes too.
 * KEYS: the indexes, then the others. ARGV: number of indexes, how many to look at of each, the place's score and key (both empty: all).
 * Members created in the same instant as the place come with it in any order: the caller leaves out those that are not below.
 */
export const lookAtIndexes = script(
  `
local count, limit, score, key = unpack(ARGV)
count = tonumber(count)
local function below(index)
  if score == '' then return redis.call('ZREVRANGE', index, 0, limit - 1, 'WITHSCORES') end
  local rank = redis.call('ZREVRANK', index, key)
  if rank then return redis.call('ZREVRANGE', index, rank + 1, rank + limit, 'WITHSCORES') end
  local page = redis.call('ZRANGEBYSCORE', index, score, score, 'WITHSCORES')
  for _, value in ipairs(redis.call('ZREVRANGEBYSCORE', index, '(' .. score, '-inf', 'WITHSCORES', 'LIMIT', 0, limit)) do
    page[#page + 1] = value
  end
  return page
end
local function inAll(member)
  for index = count + 1, #KEYS do
    if not redis.call('ZSCORE', KEYS[index], member) then return false end
  end
  return true
end
local answer = {}
for index = 1, count do
  local page = below(KEYS[index])
  local found = {}
  for place = 1, #page, 2 do
    if inAll(page[place]) then
      found[#found + 1] = page[place]
      found[#found + 1] = page[place + 1]
    end
  end
  answer[index] = {#page / 2, page[#page - 1] or '', page[#page] or '', found}
end
return answer
`,
  { flags: ['no-writes'] },
);
