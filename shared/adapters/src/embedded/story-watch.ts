/**
 * In-process wake-ups for the followers of stories. A story that somebody follows has one channel, which knows its last number and keeps
 * the latest appended events, so that any number of followers who are up to date need no read. Followers that lag read from the database.
 */
import type { JobEvent, JobKey } from '@inkwell/contracts';
import { Follower } from '../follower.ts';
import type { Story } from '../subscription.ts';

export interface StoryEnd {
  lastSeq: number;
  ended: boolean;
}

type ReadPage = (key: JobKey, afterSeq: number) => JobEvent[];

export class Channel implements Story {
  readonly key: JobKey;
  lastSeq: number;
  ended: boolean;
  readonly followers = new Set<{ wake(): void }>();
  readonly #readPage: ReadPage;
  #latest: readonly JobEvent[] = [];

  constructor(key: JobKey, { lastSeq, ended }: StoryEnd, readPage: ReadPage) {
    this.key = key;
    this.#readPage = readPage;
    this.lastSeq = lastSeq;
    this.ended = ended;
  }

  /** Those of the latest append, when it reaches back that far. */
  after(seq: number): readonly JobEvent[] {
    const first = this.#latest[0]?.seq;
    const latest = first === undefined || first > seq + 1 ? [] : this.#latest.slice(seq + 1 - first);
    return latest.length > 0 ? latest : this.#readPage(this.key, seq);
  }

  caughtUp(): void {
    // The latest append is all it keeps.
  }

  announce(events: readonly JobEvent[], ended: boolean): void {
    this.#latest = events;
    this.lastSeq = Math.max(this.lastSeq, events.at(-1)?.seq ?? 0);
    this.ended ||= ended;
    this.wake();
  }

  wake(): void {
    for (const follower of this.followers) follower.wake();
  }
}

export class StoryWatch {
  readonly #channels = new Map<JobKey, Channel>();

  /** The channel of an appended-to story, when somebody follows it. */
  find(key: JobKey): Channel | undefined {
    return this.#channels.get(key);
  }

  /** `readEnd` is asked only for the first follower and must answer without yielding to other work: nothing can slip in between. */
  open(key: JobKey, readEnd: () => StoryEnd, readPage: ReadPage): Channel {
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = new Channel(key, readEnd(), readPage);
      this.#channels.set(key, channel);
    }
    return channel;
  }

  enter(key: JobKey, signal: AbortSignal, readEnd: () => StoryEnd, readPage: ReadPage): Follower<Channel> {
    return new Follower(this.open(key, readEnd, readPage), signal);
  }

  leave(follower: Follower<Channel>): void {
    follower.leave();
    this.left(follower.story);
  }

  /** One of its followers is gone. */
  left(channel: Channel): void {
    if (channel.followers.size === 0 && this.#channels.get(channel.key) === channel) this.#channels.delete(channel.key);
  }

  wakeAll(): void {
    for (const channel of this.#channels.values()) channel.wake();
  }
}
