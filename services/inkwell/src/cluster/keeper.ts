/**
 * Keeps one process running: starts it, starts it again when it ends by itself, with a growing pause while it comes to nothing, and ends it
 * when asked. Knows neither what the process does nor how it is started.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Started {
  readonly pid: number;
  /** What else is known of it: a URL, an id. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Resolves when the process is gone, however. */
  readonly ended: Promise<void>;
  /** Lets it finish, then ends it. */
  stop(): Promise<void>;
}

export interface KeeperEvents {
  /** It runs, or no longer does. */
  onChange(): void;
  /** It ended by itself or could not be started again; another try follows. */
  onTrouble(name: string, what: string): void;
}

const firstPauseMs = 100;
const longestPauseMs = 5_000;
/** A process that lived this long did not come to nothing. */
const settledMs = 10_000;

export class Keeper {
  readonly role: string;
  readonly name: string;
  readonly #start: () => Promise<Started>;
  readonly #events: KeeperEvents;
  readonly #stopping = new AbortController();
  #current: Started | undefined;
  #loop: Promise<void> | undefined;

  constructor(role: string, name: string, start: () => Promise<Started>, events: KeeperEvents) {
    this.role = role;
    this.name = name;
    this.#start = start;
    this.#events = events;
  }

  /** The process that runs now. */
  get current(): Started | undefined {
    return this.#current;
  }

  /** Resolves when it runs for the first time; rejects when that fails, and nothing is kept then. */
  async start(): Promise<Started> {
    const first = await this.#start();
    this.#loop = this.#keep(first);
    return first;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#current?.stop();
    await this.#loop;
  }

  async #keep(first: Started): Promise<void> {
    const { signal } = this.#stopping;
    let pauseMs = firstPauseMs;
    for (let running: Started | undefined = first; ; running = await this.#tryStart()) {
      if (running !== undefined) {
        const startedAt = performance.now();
        this.#set(running);
        if (signal.aborted) await running.stop();
        await running.ended;
        this.#set(undefined);
        if (performance.now() - startedAt > settledMs) pauseMs = firstPauseMs;
        if (!signal.aborted) this.#events.onTrouble(this.name, 'ended by itself and is started again');
      }
      if (signal.aborted) return;
      await delay(pauseMs, undefined, { signal }).catch(() => {});
      pauseMs = Math.min(longestPauseMs, pauseMs * 2);
      if (signal.aborted) return;
    }
  }

  async #tryStart(): Promise<Started | undefined> {
    try {
      return await this.#start();
    } catch (error) {
      this.#events.onTrouble(this.name, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  #set(running: Started | undefined): void {
    this.#current = running;
    this.#events.onChange();
  }
}
