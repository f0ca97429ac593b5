/**
 * ResultStream over Redis: one list per job, so that an event's number is its place. One script checks fence, place and end, appends, and
 * rings the bell. Entries carry their append's mark: the same call, sent again after a lost connection, finds itself and answers `ok`. Durable to the degree the server's `appendfsync` says. Stories live as long as their
 * job's record; one without a record is forgotten the retention after its last write.
 */
import { InkwellError, type JobEvent, type JobKey, type NewJobEvent } from '@inkwell/contracts';
import type { ResultStream } from '@inkwell/ports';
import type { Follower } from '../follower.ts';
import type { Channels } from './channels.ts';
import { closedError, type RedisConnection } from './connection.ts';
import type { Keyspace } from './keyspace.ts';
import { markLength, newMark } from './mark.ts';
import { script } from './script.ts';
import { type Story, StoryBell } from './story-bell.ts';

/** Events read at a time by a follower that lags. */
const pageSize = 128;

/** Answers 1, or 0 when stale. The entries are the arguments from the seventh on. */
const append = script(`
local fence, afterSeq, mark, terminal, retention, bell = unpack(ARGV, 1, 6)
local length = redis.call('LLEN', KEYS[2])
local count = #ARGV - 6
if count > 0 and length > tonumber(afterSeq) then
  local entry = redis.call('LINDEX', KEYS[2], afterSeq)
  if entry and string.sub(entry, 1, #mark) == mark then return 1 end
end
local job = redis.call('HMGET', KEYS[1], 'fence', 'ended', 'state')
if (job[1] or '0') ~= fence or job[2] or length ~= tonumber(afterSeq) then return 0 end
if count == 0 then return 1 end
for index = 7, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[index]) end
if terminal == '1' then redis.call('HSET', KEYS[1], 'ended', 1) end
if not job[3] then
  redis.call('PEXPIRE', KEYS[1], retention)
  redis.call('PEXPIRE', KEYS[2], retention)
end
redis.call('PUBLISH', bell, (afterSeq + count) .. (terminal == '1' and ' end' or ''))
return 1
`);

export function createResultStream(
  connection: RedisConnection,
  channels: Channels,
  keys: Keyspace,
  retentionMs: number,
): ResultStream {
  const read = async (key: JobKey, afterSeq: number, limit: number): Promise<JobEvent[]> => {
    if (limit < 1) return [];
    const entries = await connection.call((redis) => redis.lrange(keys.events(key), afterSeq, afterSeq + limit - 1));
    return entries.map(parse);
  };

  const last = async (key: JobKey): Promise<JobEvent | undefined> => {
    const entry = await connection.call((redis) => redis.lindex(keys.events(key), -1));
    return entry === null ? undefined : parse(entry);
  };

  const bell = new StoryBell(connection, channels, keys, {
    page: (key, afterSeq) => read(key, afterSeq, pageSize),
    async end(key) {
      const event = await last(key);
      return { lastSeq: event?.seq ?? 0, ended: event !== undefined && 'outcome' in event };
    },
  });

  return {
    async append(key, fence, afterSeq, events) {
      const mark = newMark();
      const entries = events.map((event, index) => mark + JSON.stringify({ ...event, seq: afterSeq + 1 + index }));
      const terminal = endsStory(events) ? 1 : 0;
      const args = [fence, afterSeq, mark, terminal, retentionMs, keys.bell(key), ...entries];
      const names = [keys.job(key), keys.events(key)];
      return (await connection.call((redis) => append.run(redis, names, args))) === 1 ? 'ok' : 'stale';
    },

    read,
    last,

    async *follow(key, afterSeq, signal) {
      if (signal.aborted) return;
      const follower = await bell.enter(key, signal);
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
        bell.leave(key, follower);
      }
    },
  };

  /** Waits for events after `seq`; false when none will come or the signal aborted. */
  async function moves(follower: Follower<Story>, seq: number, signal: AbortSignal): Promise<boolean> {
    const { story } = follower;
    while (!signal.aborted && story.lastSeq <= seq) {
      if (story.ended) return false;
      if (connection.closed.aborted) throw closedError();
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

function parse(entry: string): JobEvent {
  return JSON.parse(entry.slice(markLength)) as JobEvent;
}
