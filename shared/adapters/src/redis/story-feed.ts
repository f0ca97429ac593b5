/**
 * Brings the stories that are followed in this process to it. Each such story has an address of this process in its job's hash, and whatever
 * is appended is sent there. The list stays the truth.
 */
import type { JobEvent, JobKey } from '@inkwell/contracts';
import type { StoryReader, StorySubscription } from '@inkwell/ports';
import { Subscription, type Telling } from '../subscription.ts';
import { AddressedStories, type StoryFeedOptions } from './addressed-stories.ts';
import { closedError } from './connection.ts';
import { parseEntry } from './entry.ts';
import { Expectations, type Expected } from './expectations.ts';
import { FollowedStory } from './followed-story.ts';
import { script } from './script.ts';

/** Events read at a time by a follower that lags. */
const pageSize = 128;

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

const opened = Promise.resolve();

export class StoryFeed {
  readonly #options: StoryFeedOptions;
  readonly #stories: AddressedStories<FollowedStory>;
  readonly #telling: Telling<FollowedStory>;
  readonly #expectations = new Expectations();
  readonly #readPage = (key: JobKey, afterSeq: number) => this.readPage(key, afterSeq, pageSize);

  constructor(options: StoryFeedOptions) {
    this.#options = options;
    this.#stories = new AddressedStories(options, {
      sign: '',
      look: (story) => this.#look(story, story.lastSeq),
      hear: (story, { lastSeq, ended, events }) => story.moved(lastSeq, ended, events),
    });
    const { closed } = options.connection;
    this.#telling = {
      closedError: () => (closed.aborted ? closedError() : undefined),
      left: (story) => this.#left(story),
    };
    closed.addEventListener('abort', () => {
      this.#expectations.close();
      for (const story of this.#stories.values()) story.wake();
    });
  }

  /** Begins once nothing that is appended from then on can be missed. */
  subscribe(key: JobKey, afterSeq: number, reader: StoryReader): StorySubscription {
    const entry = this.#stories.get(key) ?? this.#enter(key);
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
    await this.#stories.listen();
    if (this.#stories.get(key) !== undefined) return undefined;
    const entry = this.#enter(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    entry.open = promise;
    return {
      address: this.#stories.addressOf(entry),
      addressed: (first) => {
        if (first !== undefined) {
          entry.moved(first.length, false, first);
          entry.open = opened;
          resolve();
          this.#expectations.keep(() => this.#left(entry));
        } else if (entry.followers.size > 0) resolve(this.#open(entry, 0));
        else this.#stories.drop(entry);
      },
    };
  }

  #left(entry: FollowedStory): void {
    if (entry.followers.size > 0 || this.#stories.get(entry.key) !== entry) return;
    if (entry.ended) this.#stories.drop(entry);
    else this.#stories.leave(entry);
  }

  #enter(key: JobKey): FollowedStory {
    return this.#stories.add(new FollowedStory(key, this.#stories.nextNumber(), this.#readPage));
  }

  async #open(entry: FollowedStory, afterSeq: number): Promise<void> {
    await this.#stories.listen();
    await this.#look(entry, afterSeq);
    entry.open = opened;
  }

  async readPage(key: JobKey, afterSeq: number, limit: number): Promise<JobEvent[]> {
    const { connection, keys } = this.#options;
    const entries = await connection.call((redis) => redis.lrange(keys.events(key), afterSeq, afterSeq + limit - 1));
    return entries.map(parseEntry);
  }

  /** Gives the story our address and sees how far it is. */
  async #look(story: FollowedStory, afterSeq: number): Promise<void> {
    const { connection, keys, retentionMs } = this.#options;
    const names = [keys.job(story.key), keys.events(story.key)];
    const args = [this.#stories.addressOf(story), afterSeq, pageSize, retentionMs];
    const answer = await connection.call((redis) => followStory.run(redis, names, args));
    const [lastSeq, ended, entries] = answer as [number, number, string[]];
    story.moved(lastSeq, ended === 1, entries.map(parseEntry));
  }
}
