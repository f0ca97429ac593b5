/**
 * The stories that this process is told of, by the address that each has in its job's hash: one channel per process, however many stories there
 * are. After every (re)connection all are looked at again, which gives their addresses anew, so what was missed costs time and never an event.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { JobKey } from '@inkwell/contracts';
import { TurnoverMap } from '@inkwell/resilience';
import type { Channels } from './channels.ts';
import type { RedisConnection } from './connection.ts';
import type { Keyspace } from './keyspace.ts';
import { newMark } from './mark.ts';
import { script } from './script.ts';
import { readNews, type StoryNews } from './story-news.ts';

export interface StoryFeedOptions {
  connection: RedisConnection;
  channels: Channels;
  keys: Keyspace;
  retentionMs: number;
}

interface Addressed {
  readonly key: JobKey;
  /** From `nextNumber`. */
  readonly number: number;
}

interface Addressee<Story> {
  /** What the numbers of its addresses begin with: a zero asks to be told of the end alone. */
  sign: '' | '0';
  /** Gives the story our address and sees how far it is. */
  look(story: Story): Promise<void>;
  hear(story: Story, news: StoryNews): void;
}

/** Stories looked at together after a loss. */
const looksAtOnce = 200;
const pauseAfterFailureMs = 250;

const leaveStory = script(`
local followers = redis.call('HGET', KEYS[1], 'followers')
local first, last = string.find(followers or '', ARGV[1] .. ' ', 1, true)
if first then redis.call('HSET', KEYS[1], 'followers', string.sub(followers, 1, first - 1) .. string.sub(followers, last + 1)) end
`);

export class AddressedStories<Story extends Addressed> {
  readonly #options: StoryFeedOptions;
  readonly #addressee: Addressee<Story>;
  readonly #process = newMark();
  readonly #byKey = new TurnoverMap<JobKey, Story>();
  readonly #byNumber = new TurnoverMap<number, Story>();
  #lastNumber = 0;
  #listening: Promise<void> | undefined;

  constructor(options: StoryFeedOptions, addressee: Addressee<Story>) {
    this.#options = options;
    this.#addressee = addressee;
  }

  get(key: JobKey): Story | undefined {
    return this.#byKey.get(key);
  }

  values(): Iterable<Story> {
    return this.#byKey.values();
  }

  nextNumber(): number {
    return ++this.#lastNumber;
  }

  add(story: Story): Story {
    this.#byKey.set(story.key, story);
    this.#byNumber.set(story.number, story);
    return story;
  }

  addressOf({ number }: Story): string {
    return `${this.#process}.${this.#addressee.sign}${number}`;
  }

  drop(story: Story): void {
    if (this.#byKey.get(story.key) === story) this.#byKey.delete(story.key);
    this.#byNumber.delete(story.number);
  }

  /** As `drop`, and takes the address back. News for nobody are harmless, so a failure here is none. */
  leave(story: Story): void {
    const { connection, keys } = this.#options;
    this.drop(story);
    if (connection.closed.aborted) return;
    connection
      .call((redis) => leaveStory.run(redis, [keys.job(story.key)], [this.addressOf(story)]))
      .catch(() => undefined);
  }

  /** Resolves once nothing that is told from then on can be missed. */
  listen(): Promise<void> {
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

  async lookUntilSeen(story: Story): Promise<void> {
    const { closed } = this.#options.connection;
    while (!closed.aborted && this.#byKey.get(story.key) === story) {
      try {
        return await this.#addressee.look(story);
      } catch {
        await wait(pauseAfterFailureMs, undefined, { ref: false });
      }
    }
  }

  #hear(message: string): void {
    for (const news of readNews(message)) {
      const story = this.#byNumber.get(news.number);
      if (story !== undefined) this.#addressee.hear(story, news);
    }
  }

  async #lookAgain(): Promise<void> {
    const stories = [...this.#byKey.values()];
    for (let index = 0; index < stories.length; index += looksAtOnce) {
      await Promise.all(stories.slice(index, index + looksAtOnce).map((story) => this.lookUntilSeen(story)));
    }
  }
}
