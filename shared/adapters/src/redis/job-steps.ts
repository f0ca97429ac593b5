/** JobSteps over Redis: each step is one function of the server, so a job that nothing disturbs takes three calls from its creation to its end. */
import { type JobEvent, type JobKey, type JobRecord, sequencesOf, terminalStates } from '@inkwell/contracts';
import { type JobBegin, type JobSteps, queuedEvent, type Reading, startedEvent } from '@inkwell/ports';
import { endsStory } from '../append.ts';
import type { RedisConnection } from './connection.ts';
import { toEntries, toEntry } from './entry.ts';
import type { Expected } from './expectations.ts';
import { recordFields, toFields, toRecord } from './job-hash.ts';
import { createRecord, creationLine, tenantOf } from './job-store.ts';
import type { Keyspace } from './keyspace.ts';
import { laterWrites } from './later-writes.ts';
import { newMark } from './mark.ts';
import { pushEntries } from './push-entries.ts';
import { script, serverClock } from './script.ts';
import { readDone, StepLine, stepScript } from './step-line.ts';
import { tellFollowers } from './story-news.ts';

const fields = recordFields.map((field) => `'${field}'`).join(', ');
/** Of a field among the record's, counted from 1 as Lua does. */
const place = (field: (typeof recordFields)[number]) => recordFields.indexOf(field) + 1;
const over = terminalStates.map((state) => `${state} = true`).join(', ');

/**
 * Answers {outcome, fence, 1 when it started, the record's fields}.
 * KEYS: job, events, leases, counts, queued, unpublished, the tenant's queued jobs, those in progress.
 */
const beginJob = script(
  `${serverClock}
local owner, ttl, mark, key, feeds, startedAt, entry = unpack(ARGV)
local record = redis.call('HMGET', KEYS[1], ${fields}, 'fence', 'until', 'take', 'moved', 'priority', 'createdAt', 'followers')
local fence, lasts, take, moved, priority, createdAt, followers = unpack(record, ${recordFields.length + 1}, ${recordFields.length + 7})
for index = ${recordFields.length + 1}, ${recordFields.length + 7} do record[index] = nil end
local state = record[${place('state')}]
if not state then return {'unknown'} end
if over[state] then return {'ended', 0, 0, record} end
fence = tonumber(fence or 0)
if take == mark then return {'taken', fence, moved == mark and 1 or 0, record} end
if tonumber(lasts or 0) > now then return {'held'} end
fence = fence + 1
redis.call('ZADD', KEYS[3], now + ttl, key)
if state ~= 'queued' or redis.call('LLEN', KEYS[2]) ~= 1 then
  redis.call('HSET', KEYS[1], 'fence', fence, 'owner', owner, 'until', now + ttl, 'take', mark)
  return {'taken', fence, 0, record}
end
redis.call('HSET', KEYS[1], 'fence', fence, 'owner', owner, 'until', now + ttl, 'take', mark,
  'state', 'in_progress', 'writer', fence, 'moved', mark, 'attempts', '1', 'startedAt', startedAt)
redis.call('HINCRBY', KEYS[4], 'departed:' .. priority, 1)
redis.call('ZREM', KEYS[5], key)
redis.call('ZREM', KEYS[6], key)
redis.call('ZREM', KEYS[7], key)
redis.call('ZADD', KEYS[8], createdAt, key)
redis.call('RPUSH', KEYS[2], entry)
local told = newTold(feeds)
tell(told, KEYS[1], followers, 2, '0', ARGV, 7, 7)
tellAll(told)
record[${place('state')}], record[${place('attempts')}], record[${place('startedAt')}] = 'in_progress', '1', startedAt
return {'taken', fence, 1, record}
`,
  { prelude: `${tellFollowers}local over = {${over}}` },
);

/**
 * Answers 1, or 0 when stale. KEYS: job, events, leases, counts, finished, the tenant's jobs in progress, those in the new state.
 * ARGV: seven, 1 when the lease stays, number of fields and values to set, these, then the entries. For all: the prefix of the channels.
 */
const finishJob = stepScript({
  prelude: tellFollowers + pushEntries + laterWrites,
  begin: `
shared = newLater()
shared.told = newTold(ARGV[1])
`,
  step: `
local job, events, leases, counts, finished, running, ended = unpack(KEYS, key + 1, key + 7)
local fence, afterSeq, mark, to, finishedAt, id, keeps, count = unpack(ARGV, at, at + 7)
local newest, over, state, writer, moved, createdAt, followers =
  unpack(redis.call('HMGET', job, 'fence', 'ended', 'state', 'writer', 'moved', 'createdAt', 'followers'))
if moved == mark then return '1' end
if newest ~= fence or over or state ~= 'in_progress' or tonumber(writer or 0) > tonumber(fence) then return '0' end
local first = at + 8 + count
if not pushBehind(events, afterSeq, ARGV, first, last) then return '0' end
if keeps == '1' then
  redis.call('HSET', job, 'state', to, 'writer', fence, 'moved', mark, 'ended', 1, unpack(ARGV, at + 8, first - 1))
else
  redis.call('HSET', job, 'state', to, 'writer', fence, 'moved', mark, 'ended', 1, 'until', 0, unpack(ARGV, at + 8, first - 1))
  removeLater(shared, leases, id)
end
countLater(shared, counts, 'ended', 1)
addLater(shared, finished, finishedAt, id)
removeLater(shared, running, id)
addLater(shared, ended, createdAt, id)
tell(shared.told, job, followers, afterSeq + last - first + 1, '1', ARGV, first, last)
return '1'
`,
  end: `
tellAll(shared.told)
writeAll(shared)
answers = table.concat(answers)
`,
});

/** Brings news of jobs to this process. */
interface Expecting {
  expect(key: JobKey): Promise<Expected | undefined>;
}

export function createJobSteps(
  connection: RedisConnection,
  keys: Keyspace,
  feeds: Readonly<Record<Exclude<Reading, 'nothing'>, Expecting>>,
): JobSteps {
  const creations = creationLine(connection, keys);
  const ends = new StepLine({ connection, script: finishJob, shared: keys.feed(''), read: readDone });
  return {
    async accept(job, limits, reading = 'nothing') {
      const first: JobEvent = { ...queuedEvent(job), seq: 1 };
      const entry = toEntry(newMark(), first, 1);
      const expected = reading === 'nothing' ? undefined : await feeds[reading].expect(job.key);
      let told: JobEvent[] | undefined;
      try {
        // No job starts after its deadline.
        const isLate = job.deadlineAt !== null && job.deadlineAt <= job.createdAt;
        const places = isLate ? 0 : sequencesOf(job.spec);
        const result = await createRecord(creations, keys, job, limits, {
          entry,
          address: expected?.address ?? '',
          places,
        });
        if (result.outcome === 'created') told = [first];
        if (result.handedTo !== undefined) told?.push(startedEvent({ at: job.createdAt, worker: result.handedTo }));
        return result;
      } finally {
        expected?.addressed(told);
      }
    },

    async begin(key, owner, ttlMs, start) {
      const tenant = tenantOf(key);
      const mine = [keys.jobsIn(tenant, 'queued'), keys.jobsIn(tenant, 'in_progress')];
      const shared = [keys.leases, keys.counts, keys.queued, keys.unpublished];
      const names = [keys.job(key), keys.events(key), ...shared, ...mine];
      const mark = newMark();
      const args = [owner, ttlMs, mark, key, keys.feed(''), start.at, toEntry(mark, startedEvent(start), 2)];
      return toBegin(await connection.call((redis) => beginJob.run(redis, names, args)));
    },

    async finish(key, { fence, afterSeq, events, state, patch, keepsLease = false }) {
      if (!endsStory(events)) throw new TypeError('A story ends with a terminal event.');
      const tenant = tenantOf(key);
      const mine = [keys.jobsIn(tenant, 'in_progress'), keys.jobsIn(tenant, state)];
      const names = [keys.job(key), keys.events(key), keys.leases, keys.counts, keys.finished, ...mine];
      const mark = newMark();
      const entries = toEntries(mark, events, afterSeq);
      const values = toFields(patch);
      const at = patch.finishedAt ?? events.at(-1)!.at;
      const head = [fence, afterSeq, mark, state, at, key, keepsLease ? 1 : 0];
      const args = [...head, values.length, ...values, ...entries];
      return ends.take(names, args);
    },
  };
}

function toBegin(answer: unknown): JobBegin {
  const [outcome, fence, started, values] = answer as [JobBegin['outcome'], number, number, (string | null)[]];
  switch (outcome) {
    case 'taken':
      return { outcome, fence, started: started === 1, record: toRecord(values) as JobRecord };
    case 'ended':
      return { outcome, record: toRecord(values) as JobRecord };
    default:
      return { outcome };
  }
}
