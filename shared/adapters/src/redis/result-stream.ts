/**
 * ResultStream over Redis: one list per job, so that an event's number is its place. One script checks fence, place and end, appends, and
 * tells the processes that follow. Entries carry their append's mark: the same call, sent again after a lost connection, finds itself and
 * answers `ok`. Durable to the degree the server's `appendfsync` says. Stories live as long as their job's record; one without a record is
 * forgotten the retention after its last write.
 */
import { InkwellError, type JobEvent, type JobKey, type NewJobEvent } from '@inkwell/contracts';
import type { ResultStream } from '@inkwell/ports';
import type { Follower } from '../follower.ts';
import { AppendBatches } from './append-batches.ts';
import type { Channels } from './channels.ts';
import { closedError, type RedisConnection } from './connection.ts';
import { parseEntry, toEntry } from './entry.ts';
import type { FollowedStory } from './followed-story.ts';
import type { Keyspace } from './keyspace.ts';
import { markLength, newMark } from './mark.ts';
import { script } from './script.ts';
import { StoryFeed, tellFollowers } from './story-feed.ts';

/** Longest that followers are told in full, in bytes; beyond it they read for themselves. */
const mostTold = 65_536;

/**
 * Answers 1 for each append, or 0 where it is stale.
 * KEYS: for each append job and events. ARGV: retention, prefix of feeds, then for each append fence, place, mark, 1 when terminal, number of
 * entries, entries.
 */
const appendAll = script(
  `
local retention, feeds = ARGV[1], ARGV[2]
local answers, news, at = {}, {}, 3
for place = 1, #KEYS, 2 do
  local count = tonumber(ARGV[at + 4])
  answers[#answers + 1] = append(KEYS[place], KEYS[place + 1], ARGV, at, count, retention, news)
  at = at + 5 + count
end
tellFollowers(feeds, news)
return answers
`,
  {
    prelude: `${tellFollowers}
local function eventsToTell(args, first, last)
  local events, bytes = {}, 0
  for index = first, last do
    events[#events + 1] = string.sub(args[index], ${markLength + 1})
    bytes = bytes + #args[index]
    if bytes > ${mostTold} then return '' end
  end
  return '[' .. table.concat(events, ',') .. ']'
end
local function append(job, events, args, at, count, retention, news)
  local fence, afterSeq, mark, terminal = args[at], tonumber(args[at + 1]), args[at + 2], args[at + 3]
  local first, last = at + 5, at + 4 + count
  local length = redis.call('LLEN', events)
  if count > 0 and length > afterSeq then
    local entry = redis.call('LINDEX', events, afterSeq)
    if entry and string.sub(entry, 1, #mark) == mark then return 1 end
  end
  local newest, ended, state, followers = unpack(redis.call('HMGET', job, 'fence', 'ended', 'state', 'followers'))
  if (newest or '0') ~= fence or ended or length ~= afterSeq then return 0 end
  if count == 0 then return 1 end
  for from = first, last, 1000 do redis.call('RPUSH', events, unpack(args, from, math.min(from + 999, last))) end
  if terminal == '1' then redis.call('HSET', job, 'ended', 1) end
  if not state then
    redis.call('PEXPIRE', job, retention)
    redis.call('PEXPIRE', events, retention)
  end
  if followers and followers ~= '' then
    noteNews(news, job, followers, string.format('%d', afterSeq + count) .. ' ' .. terminal .. ' ' .. eventsToTell(args, first, last))
  end
  return 1
end`,
  },
);

export function createResultStream(
  connection: RedisConnection,
  channels: Channels,
  keys: Keyspace,
  retentionMs: number,
): ResultStream {
  const feed = new StoryFeed({ connection, channels, keys, retentionMs });
  const batches = new AppendBatches(async (batch) => {
    const names = batch.flatMap((append) => append.names);
    const args = [retentionMs, keys.feed(''), ...batch.flatMap((append) => append.args)];
    return (await connection.call((redis) => appendAll.run(redis, names, args))) as number[];
  });

  return {
    async append(key, fence, afterSeq, events) {
      const mark = newMark();
      const entries = events.map((event, index) => toEntry(mark, { ...event, seq: afterSeq + 1 + index }));
      const terminal = endsStory(events) ? 1 : 0;
      const args = [fence, afterSeq, mark, terminal, entries.length, ...entries];
      return (await batches.add({ names: [keys.job(key), keys.events(key)], args })) === 1 ? 'ok' : 'stale';
    },

    async read(key, afterSeq, limit) {
      return limit < 1 ? [] : feed.readPage(key, afterSeq, limit);
    },

    async last(key: JobKey): Promise<JobEvent | undefined> {
      const entry = await connection.call((redis) => redis.lindex(keys.events(key), -1));
      return entry === null ? undefined : parseEntry(entry);
    },

    async *follow(key, afterSeq, signal) {
      if (signal.aborted) return;
      const follower = await feed.enter(key, afterSeq, signal);
      try {
        let seq = afterSeq;
        while (await moves(follower, seq, signal)) {
          const page = await follower.story.after(seq);
          if (page.length === 0) throw new InkwellError('job_not_found', { message: 'The job was removed.' });
          for (const event of page) {
            if (signal.aborted) return;
            yield event;
            seq = event.seq;
          }
        }
      } finally {
        feed.leave(key, follower);
      }
    },
  };

  /** Waits for events after `seq`; false when none will come or the signal aborted. */
  async function moves(follower: Follower<FollowedStory>, seq: number, signal: AbortSignal): Promise<boolean> {
    const { story } = follower;
    while (!signal.aborted && story.lastSeq <= seq) {
      if (story.ended) return false;
      if (connection.closed.aborted) throw closedError();
      story.caughtUp();
      await follower.changed();
    }
    return !signal.aborted;
  }
}

/** Throws when something would follow a terminal event inside one append. */
function endsStory(events: readonly NewJobEvent[]): boolean {
  const end = events.findIndex((event) => 'outcome' in event);
  if (end !== -1 && end !== events.length - 1) throw new TypeError('Nothing may follow a terminal event.');
  return end !== -1;
}
