/**
 * ResultStream over Redis: one list per job, so that an event's number is its place. One script (append-line.ts) checks fence, place and end,
 * appends, and tells the processes that follow. Entries carry their append's mark: the same call, sent again after a lost connection, finds itself and
 * answers `ok`. Durable to the degree the server's `appendfsync` says. Stories live as long as their job's record; one without a record is
 * forgotten the retention after its last write.
 */
import type { JobEvent, JobKey } from '@inkwell/contracts';
import type { ResultStream } from '@inkwell/ports';
import { endsStory } from '../append.ts';
import { followBySubscribing } from '../follow.ts';
import { AppendLine } from './append-line.ts';
import type { RedisConnection } from './connection.ts';
import type { EndFeed } from './end-feed.ts';
import { parseEntry, toEntries } from './entry.ts';
import type { Keyspace } from './keyspace.ts';
import { newMark } from './mark.ts';
import type { StoryFeed } from './story-feed.ts';

export function createResultStream(
  connection: RedisConnection,
  keys: Keyspace,
  retentionMs: number,
  { story: feed, end }: { story: StoryFeed; end: EndFeed },
): ResultStream {
  const subscribe: ResultStream['subscribe'] = (...given) => feed.subscribe(...given);
  const line = new AppendLine(connection, keys.feed(''), retentionMs);

  return {
    // Many a second: each promise that is made on the way counts.
    append(key, fence, afterSeq, events) {
      let terminal: boolean;
      try {
        terminal = endsStory(events);
      } catch (error) {
        return Promise.reject(error);
      }
      const entries = toEntries(newMark(), events, afterSeq);
      return line.append({ job: keys.job(key), events: keys.events(key), fence, afterSeq, terminal, entries });
    },

    async read(key, afterSeq, limit) {
      return limit < 1 ? [] : feed.readPage(key, afterSeq, limit);
    },

    async last(key: JobKey): Promise<JobEvent | undefined> {
      const entry = await connection.call((redis) => redis.lindex(keys.events(key), -1));
      return entry === null ? undefined : parseEntry(entry);
    },

    subscribe,
    follow: followBySubscribing(subscribe),

    awaitEnd: (key, signal) => end.wait(key, signal),
  };
}
