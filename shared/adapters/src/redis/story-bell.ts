/**
 * Wakes the followers of stories in this process. Pub/sub only says how long a story is by now; what it says is read from the list, once for
 * all followers of a story who are at the same place. A lost bell costs time, never an event: after every (re)connection all followed
 * stories are looked at anew.
 */
import type { JobEvent, JobKey } from '@inkwell/contracts';
import { Follower } from '../follower.ts';
import type { ChannelListener, Channels } from './channels.ts';
import type { RedisConnection } from './connection.ts';
import type { Keyspace } from './keyspace.ts';

interface StoryEnd {
  lastSeq: number;
  ended: boolean;
}

interface StoryReader {
  page(key: JobKey, afterSeq: number): Promise<JobEvent[]>;
  end(key: JobKey): Promise<StoryEnd>;
}

/** One followed story. */
export class Story {
  lastSeq = 0;
  ended = false;
  readonly followers = new Set<{ wake(): void }>();
  readonly #readPage: (afterSeq: number) => Promise<JobEvent[]>;
  #latest: readonly JobEvent[] = [];
  #reading: { afterSeq: number; page: Promise<JobEvent[]> } | undefined;

  constructor(readPage: (afterSeq: number) => Promise<JobEvent[]>) {
    this.#readPage = readPage;
  }

  moved({ lastSeq, ended }: StoryEnd): void {
    this.lastSeq = Math.max(this.lastSeq, lastSeq);
    this.ended ||= ended;
    this.wake();
  }

  wake(): void {
    for (const follower of this.followers) follower.wake();
  }

  /** Events after `seq`, at least one when the story is known to have one there. */
  async after(seq: number): Promise<readonly JobEvent[]> {
    const first = this.#latest[0]?.seq;
    const last = this.#latest.at(-1)?.seq;
    if (first !== undefined && last !== undefined && first <= seq + 1 && seq < last)
      return this.#latest.slice(seq + 1 - first);
    if (this.#reading?.afterSeq !== seq) this.#reading = { afterSeq: seq, page: this.#readPage(seq) };
    const reading = this.#reading;
    try {
      const page = await reading.page;
      if ((page.at(-1)?.seq ?? 0) > (this.#latest.at(-1)?.seq ?? 0)) this.#latest = page;
      return page;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }
}

interface Entry {
  story: Story;
  listener: ChannelListener;
  open: Promise<void>;
}

export class StoryBell {
  readonly #channels: Channels;
  readonly #keys: Keyspace;
  readonly #reader: StoryReader;
  readonly #stories = new Map<string, Entry>();

  constructor(connection: RedisConnection, channels: Channels, keys: Keyspace, reader: StoryReader) {
    this.#channels = channels;
    this.#keys = keys;
    this.#reader = reader;
    connection.closed.addEventListener('abort', () => {
      for (const { story } of this.#stories.values()) story.wake();
    });
  }

  /** Resolves once nothing that is appended from now on can be missed. */
  async enter(key: JobKey, signal: AbortSignal): Promise<Follower<Story>> {
    const bell = this.#keys.bell(key);
    let entry = this.#stories.get(bell);
    if (entry === undefined) {
      entry = this.#open(key, bell);
      this.#stories.set(bell, entry);
    }
    const follower = new Follower(entry.story, signal);
    try {
      // A bell or an abort may come first; either is enough to go on.
      await Promise.race([entry.open, follower.changed()]);
    } catch (error) {
      this.leave(key, follower);
      throw error;
    }
    return follower;
  }

  leave(key: JobKey, follower: Follower<Story>): void {
    const bell = this.#keys.bell(key);
    follower.leave();
    const entry = this.#stories.get(bell);
    if (entry === undefined || entry.story !== follower.story || entry.story.followers.size > 0) return;
    this.#stories.delete(bell);
    this.#channels.leave(bell, entry.listener);
  }

  #open(key: JobKey, bell: string): Entry {
    const story = new Story((afterSeq) => this.#reader.page(key, afterSeq));
    const look = async () => story.moved(await this.#reader.end(key));
    const listener: ChannelListener = {
      onMessage: (message) => story.moved(parseBell(message)),
      // When this look fails the connection is lost once more, and the next one looks again.
      onAgain: () => void look().catch(() => undefined),
    };
    return { story, listener, open: this.#channels.listen(bell, listener).then(look) };
  }
}

/** What a bell says: the story's last number, and `end` when it is the last of all. */
function parseBell(message: string): StoryEnd {
  const [lastSeq, end] = message.split(' ');
  return { lastSeq: Number(lastSeq), ended: end === 'end' };
}
