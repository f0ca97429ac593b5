/**
 * In-process wake-ups for the followers of stories. A story that somebody follows has one channel, which knows its last number and keeps
 * the latest appended events, so that any number of followers who are up to date need no read. Followers that lag read from the database.
 */
import type { JobEvent, JobKey } from '@inkwell/contracts';
import { Follower } from '../follower.ts';

export interface StoryEnd {
  lastSeq: number;
  ended: boolean;
}

export class Channel {
  lastSeq: number;
  ended: boolean;
  readonly followers = new Set<{ wake(): void }>();
  #latest: readonly JobEvent[] = [];

  constructor({ lastSeq, ended }: StoryEnd) {
    this.lastSeq = lastSeq;
    this.ended = ended;
  }

  /** Events of the latest append that lie after `seq` with none missing in between; empty when it doesn't reach back that far. */
  latestAfter(seq: number): readonly JobEvent[] {
    const first = this.#latest[0]?.seq;
    return first === undefined || first > seq + 1 ? [] : this.#latest.slice(seq + 1 - first);
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
  enter(key: JobKey, signal: AbortSignal, readEnd: () => StoryEnd): Follower<Channel> {
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = new Channel(readEnd());
      this.#channels.set(key, channel);
    }
    return new Follower(channel, signal);
  }

  leave(key: JobKey, follower: Follower<Channel>): void {
    follower.leave();
    if (follower.story.followers.size === 0) this.#channels.delete(key);
  }

  wakeAll(): void {
    for (const channel of this.#channels.values()) channel.wake();
  }
}
