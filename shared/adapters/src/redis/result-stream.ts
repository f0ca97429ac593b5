/**
 * ResultStream over Redis: one list per job, so that an event's number is its place. One script (append-line.ts) checks fence, place and end,
 * appends, and tells the processes that follow. Entries carry their append's mark: the same call, sent again after a lost connection, finds itself and
 * answers `ok`. Durable to the degree the server's `appendfsync` says. Stories live as long as their job's record; one without a record is
 * forgotten the retention after its last write.
 */
import { InkwellError, type JobEvent, type JobKey } from '@inkwell/contracts';
import type { ResultStream } from '@inkwell/ports';
import { endsStory, numberEvents } from '../append.ts';
import type { Follower } from '../follower.ts';
import { AppendLine } from './append-line.ts';
import type { Channels } from './channels.ts';
import { closedError, type RedisConnection } from './connection.ts';
import type { EndFeed } from './end-feed.ts';
import { parseEntry, toEntry } from './entry.ts';
import type { FollowedStory } from './followed-story.ts';
import type { Keyspace } from './keyspace.ts';
import { newMark } from './mark.ts';
import { StoryFeed } from './story-feed.ts';

export function createResultStream(
  connection: RedisConnection,
  channels: Channels,
  keys: Keyspace,
  retentionMs: number,
  ends: EndFeed,
): ResultStream {
  const feed = new StoryFeed({ connection, channels, keys, retentionMs });
  const line = new AppendLine(connection, keys.feed(''), retentionMs);

  return {
    async append(key, fence, afterSeq, events) {
      const mark = newMark();
      const entries = numberEvents(events, afterSeq).map((event) => toEntry(mark, event));
      const terminal = endsStory(events);
      return line.append({ job: keys.job(key), events: keys.events(key), fence, afterSeq, mark, terminal, entries });
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
