/**
 * Wakes the followers of stories in this process. Pub/sub only says how long a story is by now; what it says is read from the list, once for
 * all followers of a story who are at the same place. A lost bell costs time, never an event: after every (re)connection all followed
 * stories are looked at anew, and a connection that doesn't answer pings is taken up again.
 */
import type { JobEvent, JobKey } from '@inkwell/contracts';
import { Follower } from '../follower.ts';
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

/** How often a quiet listening connection is asked whether it lives. */
const pingMs = 5000;

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

export class StoryBell {
  readonly #connection: RedisConnection;
  readonly #keys: Keyspace;
  readonly #reader: StoryReader;
  readonly #stories = new Map<string, { key: JobKey; story: Story; open: Promise<void> }>();

  constructor(connection: RedisConnection, keys: Keyspace, reader: StoryReader) {
    this.#connection = connection;
    this.#keys = keys;
    this.#reader = reader;
    const { listener, closed } = connection;
    listener.on('message', (bell: string, message: string) => this.#stories.get(bell)?.story.moved(parseBell(message)));
    listener.on('ready', () => void this.#listenAgain());
    const pinging = setInterval(() => void this.#ping(), pingMs).unref();
    closed.addEventListener('abort', () => {
      clearInterval(pinging);
      for (const { story } of this.#stories.values()) story.wake();
    });
  }

  /** Resolves once nothing that is appended from now on can be missed. */
  async enter(key: JobKey, signal: AbortSignal): Promise<Follower<Story>> {
    const bell = this.#keys.bell(key);
    let entry = this.#stories.get(bell);
    if (entry === undefined) {
      const story = new Story((afterSeq) => this.#reader.page(key, afterSeq));
      entry = { key, story, open: this.#listen(key, bell, story) };
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
    if (follower.story.followers.size > 0 || this.#stories.get(bell)?.story !== follower.story) return;
    this.#stories.delete(bell);
    if (this.#connection.closed.aborted) return;
    // A bell that goes on ringing for nobody is harmless, so a failure here is none.
    this.#connection.listener.unsubscribe(bell).catch(() => undefined);
  }

  async #listen(key: JobKey, bell: string, story: Story): Promise<void> {
    await this.#connection.call(() => this.#connection.listener.subscribe(bell));
    story.moved(await this.#reader.end(key));
  }

  /** A new connection hears nothing yet and may have missed bells. Failure means it is lost again, and the next one comes here. */
  async #listenAgain(): Promise<void> {
    const entries = [...this.#stories];
    if (entries.length === 0) return;
    try {
      await this.#connection.listener.subscribe(...entries.map(([bell]) => bell));
      await Promise.all(entries.map(async ([, { key, story }]) => story.moved(await this.#reader.end(key))));
    } catch {
      if (!this.#connection.closed.aborted) this.#connection.listener.disconnect(true);
    }
  }

  async #ping(): Promise<void> {
    const { listener, closed } = this.#connection;
    if (listener.status !== 'ready') return;
    try {
      await listener.ping();
    } catch {
      if (!closed.aborted) listener.disconnect(true);
    }
  }
}

/** What a bell says: the story's last number, and `end` when it is the last of all. */
function parseBell(message: string): StoryEnd {
  const [lastSeq, end] = message.split(' ');
  return { lastSeq: Number(lastSeq), ended: end === 'end' };
}
