/**
 * ResultStream over Redis: one list per job, so that an event's number is its place. One script checks fence, place and end, appends, and
 * tells the processes that follow. Entries carry their append's mark: the same call, sent again after a lost connection, finds itself and
 * answers `ok`. Durable to the degree the server's `appendfsync` says. Stories live as long as their job's record; one without a record is
 * forgotten the retention after its last write.
 */
import { InkwellError, type JobEvent, type JobKey } from '@inkwell/contracts';
import type { ResultStream } from '@inkwell/ports';
import { endsStory, numberEvents } from '../append.ts';
import type { Follower } from '../follower.ts';
import type { Channels } from './channels.ts';
import { closedError, type RedisConnection } from './connection.ts';
import type { EndFeed } from './end-feed.ts';
import { parseEntry, toEntry } from './entry.ts';
import type { FollowedStory } from './followed-story.ts';
import type { Keyspace } from './keyspace.ts';
import { newMark } from './mark.ts';
import { script } from './script.ts';
import { StoryFeed, tellFollowers } from './story-feed.ts';

/** Answers 1, or 0 when stale. The entries are the arguments from the seventh on. KEYS: job, events. */
const append = script(
  `
local fence, afterSeq, mark, terminal, retention, feeds = unpack(ARGV, 1, 6)
local length = redis.call('LLEN', KEYS[2])
local count = #ARGV - 6
if count > 0 and length > tonumber(afterSeq) then
  local entry = redis.call('LINDEX', KEYS[2], afterSeq)
  if entry and string.sub(entry, 1, #mark) == mark then return 1 end
end
local newest, ended, state, followers = unpack(redis.call('HMGET', KEYS[1], 'fence', 'ended', 'state', 'followers'))
if (newest or '0') ~= fence or ended or length ~= tonumber(afterSeq) then return 0 end
if count == 0 then return 1 end
for first = 7, #ARGV, 1000 do redis.call('RPUSH', KEYS[2], unpack(ARGV, first, math.min(first + 999, #ARGV))) end
if terminal == '1' then redis.call('HSET', KEYS[1], 'ended', 1) end
if not state then
  redis.call('PEXPIRE', KEYS[1], retention)
  redis.call('PEXPIRE', KEYS[2], retention)
end
tellFollowers(KEYS[1], followers, feeds, afterSeq + count, terminal, ARGV, 7)
return 1
`,
  { prelude: tellFollowers },
);

export function createResultStream(
  connection: RedisConnection,
  channels: Channels,
  keys: Keyspace,
  retentionMs: number,
  ends: EndFeed,
): ResultStream {
  const feed = new StoryFeed({ connection, channels, keys, retentionMs });

  return {
    async append(key, fence, afterSeq, events) {
      const mark = newMark();
      const entries = numberEvents(events, afterSeq).map((event) => toEntry(mark, event));
      const terminal = endsStory(events) ? 1 : 0;
      const args = [fence, afterSeq, mark, terminal, retentionMs, keys.feed(''), ...entries];
      const names = [keys.job(key), keys.events(key)];
      return (await connection.call((redis) => append.run(redis, names, args))) === 1 ? 'ok' : 'stale';
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

    awaitEnd: (key, signal) => ends.wait(key, signal),
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
