/**
 * Brings the stories that are followed in this process to it. Each such story has the address of this process in its job's hash, and whatever
 * is appended is sent there: one channel per process, however many stories it follows. The list stays the truth: after every (re)connection
 * all addresses are given anew and all stories looked at, so what was missed costs time and never an event.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { JobEvent, JobKey } from '@inkwell/contracts';
import { Follower } from '../follower.ts';
import type { Channels } from './channels.ts';
import type { RedisConnection } from './connection.ts';
import { parseEntry } from './entry.ts';
import { FollowedStory } from './followed-story.ts';
import type { Keyspace } from './keyspace.ts';
import { newMark } from './mark.ts';
import { script } from './script.ts';
import { readNews } from './story-news.ts';

/** Events read at a time by a follower that lags. */
const pageSize = 128;
/** Stories looked at together after a loss. */
export const looksAtOnce = 200;
export const pauseAfterFailureMs = 250;

/** Answers {last number, 1 when that is the end, entries}. KEYS: job, events. */
const followStory = script(`
local address, afterSeq, limit, retention = unpack(ARGV)
local ended, followers, state = unpack(redis.call('HMGET', KEYS[1], 'ended', 'followers', 'state'))
followers = followers or ''
if not ended and not string.find(followers, address .. ' ', 1, true) then
  redis.call('HSET', KEYS[1], 'followers', followers .. address .. ' ')
  if not state then redis.call('PEXPIRE', KEYS[1], retention) end
end
return {redis.call('LLEN', KEYS[2]), ended and 1 or 0, redis.call('LRANGE', KEYS[2], afterSeq, afterSeq + limit - 1)}
`);

export const leaveStory = script(`
local followers = redis.call('HGET', KEYS[1], 'followers')
local first, last = string.find(followers or '', ARGV[1] .. ' ', 1, true)
if first then redis.call('HSET', KEYS[1], 'followers', string.sub(followers, 1, first - 1) .. string.sub(followers, last + 1)) end
`);

interface Entry {
  key: JobKey;
  story: FollowedStory;
  address: string;
  open: Promise<void>;
}

export interface StoryFeedOptions {
  connection: RedisConnection;
  channels: Channels;
  keys: Keyspace;
  retentionMs: number;
}

export class StoryFeed {
  readonly #options: StoryFeedOptions;
  readonly #process = newMark();
  readonly #byKey = new Map<JobKey, Entry>();
  readonly #byNumber = new Map<number, Entry>();
  #lastNumber = 0;
  #listening: Promise<void> | undefined;

  constructor(options: StoryFeedOptions) {
    this.#options = options;
    options.connection.closed.addEventListener('abort', () => {
      for (const { story } of this.#byKey.values()) story.wake();
    });
  }

  /** Resolves once nothing that is appended from now on can be missed. */
  async enter(key: JobKey, afterSeq: number, signal: AbortSignal): Promise<Follower<FollowedStory>> {
    const entry = this.#byKey.get(key) ?? this.#open(key, afterSeq);
    const follower = new Follower(entry.story, signal);
    try {
      // News or an abort may come first; either is enough to go on.
      await Promise.race([entry.open, follower.changed()]);
    } catch (error) {
      this.leave(key, follower);
      throw error;
    }
    return follower;
  }

  leave(key: JobKey, follower: Follower<FollowedStory>): void {
    const { connection, keys } = this.#options;
    follower.leave();
    const entry = this.#byKey.get(key);
    if (entry === undefined || entry.story !== follower.story || entry.story.followers.size > 0) return;
    this.#byKey.delete(key);
    this.#byNumber.delete(numberOf(entry.address));
    if (entry.story.ended || connection.closed.aborted) return;
    // News for nobody are harmless, so a failure here is none.
    connection.call((redis) => leaveStory.run(redis, [keys.job(key)], [entry.address])).catch(() => undefined);
  }

  #open(key: JobKey, afterSeq: number): Entry {
    const number = ++this.#lastNumber;
    const story = new FollowedStory((from) => this.readPage(key, from, pageSize));
    const entry: Entry = { key, story, address: `${this.#process}.${number}`, open: Promise.resolve() };
    this.#byKey.set(key, entry);
    this.#byNumber.set(number, entry);
    entry.open = this.#listen().then(() => this.#look(entry, afterSeq));
    return entry;
  }

  async readPage(key: JobKey, afterSeq: number, limit: number): Promise<JobEvent[]> {
    const { connection, keys } = this.#options;
    const entries = await connection.call((redis) => redis.lrange(keys.events(key), afterSeq, afterSeq + limit - 1));
    return entries.map(parseEntry);
  }

  #listen(): Promise<void> {
    const { channels, keys } = this.#options;
    this.#listening ??= channels
      .listen(keys.feed(this.#process), {
        onMessage: (message) => this.#hear(message),
        onAgain: () => void this.#lookAgain(),
      })
      .catch((error: unknown) => {
        this.#listening = undefined;
        throw error;
      });
    return this.#listening;
  }

  /** Gives the story our address and sees how far it is. */
  async #look({ key, story, address }: Entry, afterSeq: number): Promise<void> {
    const { connection, keys, retentionMs } = this.#options;
    const names = [keys.job(key), keys.events(key)];
    const args = [address, afterSeq, pageSize, retentionMs];
    const answer = await connection.call((redis) => followStory.run(redis, names, args));
    const [lastSeq, ended, entries] = answer as [number, number, string[]];
    story.moved(lastSeq, ended === 1, entries.map(parseEntry));
  }

  #hear(message: string): void {
    for (const { number, lastSeq, ended, events } of readNews(message))
      this.#byNumber.get(number)?.story.moved(lastSeq, ended, events);
  }

  async #lookAgain(): Promise<void> {
    const entries = [...this.#byKey.values()];
    for (let index = 0; index < entries.length; index += looksAtOnce) {
      await Promise.all(entries.slice(index, index + looksAtOnce).map((entry) => this.#lookUntilSeen(entry)));
    }
  }

  async #lookUntilSeen(entry: Entry): Promise<void> {
    const { closed } = this.#options.connection;
    while (!closed.aborted && this.#byKey.get(entry.key) === entry) {
      try {
        return await this.#look(entry, entry.story.lastSeq);
      } catch {
        await wait(pauseAfterFailureMs, undefined, { ref: false });
      }
    }
  }
}

function numberOf(address: string): number {
  return Number(address.slice(address.indexOf('.') + 1));
}
