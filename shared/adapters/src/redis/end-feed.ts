/**
 * Brings the ends of stories to those in this process who wait for nothing else. Like StoryFeed it has an address in each such job's hash, but one that
 * is told of the end alone, so a long story costs its waiter no more than a short one. A job that is accepted here gets the address in the
 * same step. After every (re)connection all are addressed anew and looked at again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { JobKey, TerminalEvent } from '@inkwell/contracts';
import { closedError } from './connection.ts';
import { parseEntry } from './entry.ts';
import { Expectations, type Expected } from './expectations.ts';
import { newMark } from './mark.ts';
import { script } from './script.ts';
import { leaveStory, looksAtOnce, pauseAfterFailureMs, type StoryFeedOptions } from './story-feed.ts';
import { readNews } from './story-news.ts';

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
  readonly address: string;
  readonly waiters: Set<Waiter>;
  /** Known already, and nobody has asked yet. */
  end?: TerminalEvent;
  /** The job is being accepted, or was within the last seconds. */
  expected: boolean;
}

export class EndFeed {
  readonly #options: StoryFeedOptions;
  readonly #process = newMark();
  readonly #byKey = new Map<JobKey, Entry>();
  readonly #byNumber = new Map<number, Entry>();
  readonly #expectations = new Expectations();
  #lastNumber = 0;
  #listening: Promise<void> | undefined;

  constructor(options: StoryFeedOptions) {
    this.#options = options;
    options.connection.closed.addEventListener('abort', () => {
      this.#expectations.close();
      for (const entry of this.#byKey.values()) this.#fail(entry, closedError());
    });
  }

  /** Undefined when the signal aborts first. @throws what looking at the story throws, or `shutting_down` */
  async wait(key: JobKey, signal: AbortSignal): Promise<TerminalEvent | undefined> {
    if (signal.aborted) return undefined;
    if (this.#options.connection.closed.aborted) throw closedError();
    let entry = this.#byKey.get(key);
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
    await this.#listen();
    if (this.#byKey.has(key)) return undefined;
    const entry = this.#enter(key, true);
    return {
      address: entry.address,
      addressed: (first) => {
        if (first !== undefined) this.#expectations.keep(() => this.#stopExpecting(entry));
        else {
          this.#stopExpecting(entry);
          if (entry.waiters.size > 0) void this.#open(entry);
        }
      },
    };
  }

  #enter(key: JobKey, expected: boolean): Entry {
    const number = ++this.#lastNumber;
    // The leading zero asks to be told of the end alone.
    const address = `${this.#process}.0${number}`;
    const entry: Entry = { key, number, address, waiters: new Set(), expected };
    this.#byKey.set(key, entry);
    this.#byNumber.set(number, entry);
    return entry;
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
        if (entry.waiters.size === 0) this.#leave(entry);
      };
      signal.addEventListener('abort', onAbort);
      entry.waiters.add(waiter);
    });
  }

  /** Nobody waits any more: what is told from now on would be for nobody. */
  #leave(entry: Entry): void {
    const { connection, keys } = this.#options;
    this.#drop(entry);
    if (connection.closed.aborted) return;
    connection.call((redis) => leaveStory.run(redis, [keys.job(entry.key)], [entry.address])).catch(() => undefined);
  }

  #drop(entry: Entry): void {
    if (this.#byKey.get(entry.key) === entry) this.#byKey.delete(entry.key);
    this.#byNumber.delete(entry.number);
  }

  async #open(entry: Entry): Promise<void> {
    try {
      await this.#listen();
      await this.#look(entry);
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  /** Gives the story our address, unless it has ended. */
  async #look(entry: Entry): Promise<void> {
    const { connection, keys, retentionMs } = this.#options;
    const names = [keys.job(entry.key), keys.events(entry.key)];
    const last = await connection.call((redis) => addressEnd.run(redis, names, [entry.address, retentionMs]));
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

  #hear(message: string): void {
    for (const { number, ended, events } of readNews(message)) {
      const entry = this.#byNumber.get(number);
      if (entry === undefined || !ended) continue;
      const end = events.at(-1);
      // Too long to be told: it is in the story.
      if (end === undefined) void this.#lookUntilSeen(entry);
      else this.#tell(entry, end as TerminalEvent);
    }
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
        return await this.#look(entry);
      } catch {
        await delay(pauseAfterFailureMs, undefined, { ref: false });
      }
    }
  }

  #stopExpecting(entry: Entry): void {
    entry.expected = false;
    if (entry.waiters.size === 0) this.#drop(entry);
  }
}
