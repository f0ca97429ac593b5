/**
 * Brings the stories that are followed in this process to it. Each such story has the address of this process in its job's hash, and whatever
 * is appended is sent there: one channel per process, however many stories it follows. The list stays the truth: after every (re)connection
 * all addresses are given anew and all stories looked at, so what was missed costs time and never an event.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { JobEvent, JobKey } from '@inkwell/contracts';
import type { StoryReader, StorySubscription } from '@inkwell/ports';
import { Subscription, type Telling } from '../subscription.ts';
import type { Channels } from './channels.ts';
import { closedError, type RedisConnection } from './connection.ts';
import { parseEntry } from './entry.ts';
import { Expectations, type Expected } from './expectations.ts';
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

const opened = Promise.resolve();

export interface StoryFeedOptions {
  connection: RedisConnection;
  channels: Channels;
  keys: Keyspace;
  retentionMs: number;
}

export class StoryFeed {
  readonly #options: StoryFeedOptions;
  readonly #process = newMark();
  readonly #byKey = new Map<JobKey, FollowedStory>();
  readonly #byNumber = new Map<number, FollowedStory>();
  readonly #telling: Telling<FollowedStory>;
  readonly #expectations = new Expectations();
  readonly #readPage = (key: JobKey, afterSeq: number) => this.readPage(key, afterSeq, pageSize);
  #lastNumber = 0;
  #listening: Promise<void> | undefined;

  constructor(options: StoryFeedOptions) {
    this.#options = options;
    const { closed } = options.connection;
    this.#telling = {
      closedError: () => (closed.aborted ? closedError() : undefined),
      left: (story) => this.#left(story),
    };
    closed.addEventListener('abort', () => {
      this.#expectations.close();
      for (const story of this.#byKey.values()) story.wake();
    });
  }

  /** Begins once nothing that is appended from then on can be missed. */
  subscribe(key: JobKey, afterSeq: number, reader: StoryReader): StorySubscription {
    const entry = this.#byKey.get(key) ?? this.#enter(key);
    const subscription = new Subscription(entry, afterSeq, reader, this.#telling);
    entry.open ??= this.#open(entry, afterSeq);
    entry.open.then(
      () => subscription.start(),
      (error: unknown) => subscription.finish(error),
    );
    return subscription;
  }

  /** To be asked before a job is accepted; undefined when its story is followed already. */
  async expect(key: JobKey): Promise<Expected | undefined> {
    await this.#listen();
    if (this.#byKey.has(key)) return undefined;
    const entry = this.#enter(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    entry.open = promise;
    return {
      address: this.#addressOf(entry),
      addressed: (first) => {
        if (first !== undefined) {
          entry.moved(first.seq, false, [first]);
          entry.open = opened;
          resolve();
          this.#expectations.keep(() => this.#left(entry));
        } else if (entry.followers.size > 0) resolve(this.#open(entry, 0));
        else this.#forget(entry);
      },
    };
  }

  #forget(entry: FollowedStory): void {
    if (this.#byKey.get(entry.key) === entry) this.#byKey.delete(entry.key);
    this.#byNumber.delete(entry.number);
  }

  #left(entry: FollowedStory): void {
    const { connection, keys } = this.#options;
    if (entry.followers.size > 0 || this.#byKey.get(entry.key) !== entry) return;
    this.#forget(entry);
    if (entry.ended || connection.closed.aborted) return;
    // News for nobody are harmless, so a failure here is none.
    connection
      .call((redis) => leaveStory.run(redis, [keys.job(entry.key)], [this.#addressOf(entry)]))
      .catch(() => undefined);
  }

  #enter(key: JobKey): FollowedStory {
    const entry = new FollowedStory(key, ++this.#lastNumber, this.#readPage);
    this.#byKey.set(key, entry);
    this.#byNumber.set(entry.number, entry);
    return entry;
  }

  #addressOf({ number }: FollowedStory): string {
    return `${this.#process}.${number}`;
  }

  async #open(entry: FollowedStory, afterSeq: number): Promise<void> {
    await this.#listen();
    await this.#look(entry, afterSeq);
    entry.open = opened;
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
  async #look(story: FollowedStory, afterSeq: number): Promise<void> {
    const { connection, keys, retentionMs } = this.#options;
    const names = [keys.job(story.key), keys.events(story.key)];
    const args = [this.#addressOf(story), afterSeq, pageSize, retentionMs];
    const answer = await connection.call((redis) => followStory.run(redis, names, args));
    const [lastSeq, ended, entries] = answer as [number, number, string[]];
    story.moved(lastSeq, ended === 1, entries.map(parseEntry));
  }

  #hear(message: string): void {
    for (const { number, lastSeq, ended, events } of readNews(message))
      this.#byNumber.get(number)?.moved(lastSeq, ended, events);
  }

  async #lookAgain(): Promise<void> {
    const entries = [...this.#byKey.values()];
    for (let index = 0; index < entries.length; index += looksAtOnce) {
      await Promise.all(entries.slice(index, index + looksAtOnce).map((entry) => this.#lookUntilSeen(entry)));
    }
  }

  async #lookUntilSeen(entry: FollowedStory): Promise<void> {
    const { closed } = this.#options.connection;
    while (!closed.aborted && this.#byKey.get(entry.key) === entry) {
      try {
        return await this.#look(entry, entry.lastSeq);
      } catch {
        await wait(pauseAfterFailureMs, undefined, { ref: false });
      }
    }
  }
}
