/**
 * Brings the ends of stories to those in this process who wait for nothing else. Like StoryFeed it has an address in each such job's hash, but one that
 * is told of the end alone, so a long story costs its waiter no more than a short one. A job that is accepted here gets the address in the
 * same step. After every (re)connection all are addressed anew and looked at again.
 */
import type { JobKey, TerminalEvent } from '@inkwell/contracts';
import { AddressedStories, type StoryFeedOptions } from './addressed-stories.ts';
import { closedError } from './connection.ts';
import { parseEntry } from './entry.ts';
import { Expectations, type Expected } from './expectations.ts';
import { script } from './script.ts';
import type { StoryNews } from './story-news.ts';

/** Answers the last entry when that is the end. KEYS: job, events. */
const addressEnd = script(`
local address, retention = unpack(ARGV)
local ended, followers, state = unpack(redis.call('HMGET', KEYS[1], 'ended', 'followers', 'state'))
if ended then return redis.call('LINDEX', KEYS[2], -1) end
followers = followers or ''
if not string.find(followers, address .. ' ', 1, true) then
  redis.call('HSET', KEYS[1], 'followers', followers .. address .. ' ')
  if not state then redis.call('PEXPIRE', KEYS[1], retention) end
end
return false
`);

interface Waiter {
  tell(end: TerminalEvent | undefined): void;
  fail(error: unknown): void;
}

interface Entry {
  readonly key: JobKey;
  readonly number: number;
  readonly waiters: Set<Waiter>;
  /** Known already, and nobody has asked yet. */
  end?: TerminalEvent;
  /** The job is being accepted, or was within the last seconds. */
  expected: boolean;
  /** That it is expected no more needs not be looked at. */
  settle?: () => void;
}

export class EndFeed {
  readonly #options: StoryFeedOptions;
  readonly #stories: AddressedStories<Entry>;
  readonly #expectations = new Expectations();

  constructor(options: StoryFeedOptions) {
    this.#options = options;
    this.#stories = new AddressedStories(options, {
      sign: '0',
      look: (entry) => this.#look(entry),
      hear: (entry, news) => this.#hear(entry, news),
    });
    options.connection.closed.addEventListener('abort', () => {
      this.#expectations.close();
      for (const entry of [...this.#stories.values()]) this.#fail(entry, closedError());
    });
  }

  /** Undefined when the signal aborts first. @throws what looking at the story throws, or `shutting_down` */
  async wait(key: JobKey, signal: AbortSignal): Promise<TerminalEvent | undefined> {
    if (signal.aborted) return undefined;
    if (this.#options.connection.closed.aborted) throw closedError();
    let entry = this.#stories.get(key);
    if (entry === undefined) {
      entry = this.#enter(key, false);
      void this.#open(entry);
    }
    if (entry.end === undefined) return this.#join(entry, signal);
    this.#drop(entry);
    return entry.end;
  }

  /** To be asked before a job is accepted; undefined when its end is waited for already. */
  async expect(key: JobKey): Promise<Expected | undefined> {
    await this.#stories.listen();
    if (this.#stories.get(key) !== undefined) return undefined;
    const entry = this.#enter(key, true);
    return {
      address: this.#stories.addressOf(entry),
      addressed: (first) => {
        if (first !== undefined) entry.settle = this.#expectations.keep(() => this.#stopExpecting(entry));
        else {
          this.#stopExpecting(entry);
          if (entry.waiters.size > 0) void this.#open(entry);
        }
      },
    };
  }

  #enter(key: JobKey, expected: boolean): Entry {
    return this.#stories.add({ key, number: this.#stories.nextNumber(), waiters: new Set(), expected });
  }

  #join(entry: Entry, signal: AbortSignal): Promise<TerminalEvent | undefined> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener('abort', onAbort);
        entry.waiters.delete(waiter);
      };
      const waiter: Waiter = {
        tell(end) {
          leave();
          resolve(end);
        },
        fail(error) {
          leave();
          reject(error);
        },
      };
      const onAbort = () => {
        waiter.tell(undefined);
        if (entry.waiters.size === 0) this.#stories.leave(entry);
      };
      signal.addEventListener('abort', onAbort);
      entry.waiters.add(waiter);
    });
  }

  async #open(entry: Entry): Promise<void> {
    try {
      await this.#stories.listen();
      await this.#look(entry);
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  /** Gives the story our address, unless it has ended. */
  async #look(entry: Entry): Promise<void> {
    const { connection, keys, retentionMs } = this.#options;
    const names = [keys.job(entry.key), keys.events(entry.key)];
    const last = await connection.call((redis) =>
      addressEnd.run(redis, names, [this.#stories.addressOf(entry), retentionMs]),
    );
    if (typeof last === 'string') this.#tell(entry, parseEntry(last) as TerminalEvent);
  }

  #tell(entry: Entry, end: TerminalEvent): void {
    if (entry.waiters.size === 0 && entry.expected) {
      entry.end = end;
      return;
    }
    this.#drop(entry);
    for (const waiter of entry.waiters) waiter.tell(end);
  }

  #fail(entry: Entry, error: unknown): void {
    this.#drop(entry);
    for (const waiter of entry.waiters) waiter.fail(error);
  }

  #hear(entry: Entry, { ended, events }: StoryNews): void {
    if (!ended) return;
    const end = events.at(-1);
    // Too long to be told: it is in the story.
    if (end === undefined) void this.#stories.lookUntilSeen(entry);
    else this.#tell(entry, end as TerminalEvent);
  }

  #drop(entry: Entry): void {
    this.#stories.drop(entry);
    entry.settle?.();
  }

  #stopExpecting(entry: Entry): void {
    entry.expected = false;
    if (entry.waiters.size === 0) this.#stories.drop(entry);
  }
}
