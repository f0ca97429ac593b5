/**
 * ResultStream over the embedded database. A follower reads pages while it lags and is handed the appended events while it keeps up; it
 * never polls, and what it hasn't asked for stays in the database. Followers of a closed store are told `shutting_down`.
 */
import { InkwellError, type JobEvent, type JobKey, type TerminalEvent } from '@inkwell/contracts';
import type { Clock, ResultStream } from '@inkwell/ports';
import { endsStory, numberEvents } from '../append.ts';
import { followBySubscribing } from '../follow.ts';
import { Subscription, type Telling } from '../subscription.ts';
import type { Database } from './database.ts';
import type { Channel, StoryEnd, StoryWatch } from './story-watch.ts';

/** Events read at a time by a follower that lags. */
const pageSize = 128;

export function createResultStream(database: Database, clock: Clock, watch: StoryWatch): ResultStream {
  database.closed.addEventListener('abort', () => watch.wakeAll());

  const read = (key: JobKey, afterSeq: number, limit: number): JobEvent[] =>
    database
      .read((connection) =>
        connection.all<{ body: string }>(
          'SELECT body FROM events WHERE key = ? AND seq > ? ORDER BY seq LIMIT ?',
          key,
          afterSeq,
          limit,
        ),
      )
      .map(parse);

  const readEnd = (key: JobKey): StoryEnd => {
    const row = database.read((connection) =>
      connection.get<{ seq: number; terminal: number }>(
        'SELECT seq, terminal FROM events WHERE key = ? ORDER BY seq DESC LIMIT 1',
        key,
      ),
    );
    return { lastSeq: row?.seq ?? 0, ended: row?.terminal === 1 };
  };

  const pageAfter = (key: JobKey, seq: number) => read(key, seq, pageSize);
  const telling: Telling<Channel> = {
    closedError: () => (database.closed.aborted ? closedError() : undefined),
    left: (story) => watch.left(story),
  };
  const subscribe: ResultStream['subscribe'] = (key, afterSeq, reader) => {
    let left = false;
    let subscription: Subscription<Channel> | undefined;
    queueMicrotask(() => {
      if (left) return;
      try {
        subscription = new Subscription(
          watch.open(key, () => readEnd(key), pageAfter),
          afterSeq,
          reader,
          telling,
        );
      } catch (error) {
        return reader.end(error);
      }
      subscription.start();
    });
    return {
      leave() {
        left = true;
        subscription?.leave();
      },
    };
  };

  return {
    async append(key, fence, afterSeq, events) {
      const bodies = numberEvents(events, afterSeq).map((event) => JSON.stringify(event));
      const terminal = endsStory(events);
      const answer = await database.write('appendEvents', { key, fence, afterSeq, bodies, terminal, now: clock.now() });
      if (answer === 'ok') {
        const channel = watch.find(key);
        channel?.announce(
          bodies.map((body) => parse({ body })),
          terminal,
        );
      }
      return answer;
    },

    async read(key, afterSeq, limit) {
      return read(key, afterSeq, limit);
    },

    async last(key) {
      const row = database.read((connection) =>
        connection.get<{ body: string }>('SELECT body FROM events WHERE key = ? ORDER BY seq DESC LIMIT 1', key),
      );
      return row && parse(row);
    },

    subscribe,
    follow: followBySubscribing(subscribe),

    async awaitEnd(key, signal) {
      if (signal.aborted) return undefined;
      const follower = watch.enter(key, signal, () => readEnd(key), pageAfter);
      try {
        const { story } = follower;
        while (!story.ended) {
          if (database.closed.aborted) throw closedError();
          await follower.changed();
          if (signal.aborted) return undefined;
        }
        return (await this.last(key)) as TerminalEvent | undefined;
      } finally {
        watch.leave(follower);
      }
    },
  };
}

function closedError(): InkwellError {
  return new InkwellError('shutting_down', { message: 'The job store is closed.' });
}

function parse({ body }: { body: string }): JobEvent {
  return JSON.parse(body) as JobEvent;
}
