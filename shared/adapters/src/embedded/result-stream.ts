/**
 * ResultStream over the embedded database. A follower reads pages while it lags and is handed the appended events while it keeps up; it
 * never polls, and what it hasn't asked for stays in the database. Followers of a closed store are told `shutting_down`.
 */
import { InkwellError, type JobEvent, type JobKey, type TerminalEvent } from '@inkwell/contracts';
import type { Clock, ResultStream } from '@inkwell/ports';
import { endsStory, numberEvents } from '../append.ts';
import type { Follower } from '../follower.ts';
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

    async *follow(key, afterSeq, signal) {
      if (signal.aborted) return;
      const follower = watch.enter(key, signal, () => readEnd(key));
      try {
        let seq = afterSeq;
        while (await moves(follower, seq, signal)) {
          const latest = follower.story.latestAfter(seq);
          const page = latest.length > 0 ? latest : read(key, seq, pageSize);
          if (page.length === 0) throw new InkwellError('job_not_found', { message: 'The job was removed.' });
          for (const event of page) {
            yield event;
            seq = event.seq;
            if (signal.aborted) return;
          }
        }
      } finally {
        watch.leave(key, follower);
      }
    },

    async awaitEnd(key, signal) {
      if (signal.aborted) return undefined;
      const follower = watch.enter(key, signal, () => readEnd(key));
      try {
        const { story } = follower;
        while (!story.ended) {
          if (database.closed.aborted) throw closedError();
          await follower.changed();
          if (signal.aborted) return undefined;
        }
        return (await this.last(key)) as TerminalEvent | undefined;
      } finally {
        watch.leave(key, follower);
      }
    },
  };

  /** Waits for events after `seq`; false when none will come or the signal aborted. */
  async function moves(follower: Follower<Channel>, seq: number, signal: AbortSignal): Promise<boolean> {
    const { story } = follower;
    while (!signal.aborted && story.lastSeq <= seq) {
      if (story.ended) return false;
      if (database.closed.aborted) throw closedError();
      await follower.changed();
    }
    return !signal.aborted;
  }
}

function closedError(): InkwellError {
  return new InkwellError('shutting_down', { message: 'The job store is closed.' });
}

function parse({ body }: { body: string }): JobEvent {
  return JSON.parse(body) as JobEvent;
}
