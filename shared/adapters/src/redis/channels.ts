/**
 * The pub/sub channels this process listens to, on one connection that does nothing else. After every (re)connection all channels are taken
 * up again, and whoever listens to one is told that it may have missed something. A connection that doesn't answer a ping is given up.
 */
import type { RedisConnection, RedisLog } from './connection.ts';

export interface ChannelListener {
  onMessage(message: string): void;
  /** Heard again after a loss. */
  onAgain(): void;
}

/** How often a quiet connection is asked whether it lives. */
const pingMs = 1000;
/** A connection that is silent for longer is taken for lost. */
const silenceMs = 2000;

export class Channels {
  readonly #connection: RedisConnection;
  readonly #log: RedisLog;
  readonly #listeners = new Map<string, Set<ChannelListener>>();

  constructor(connection: RedisConnection, log: RedisLog) {
    this.#connection = connection;
    this.#log = log;
    const { listener, closed } = connection;
    listener.on('message', (channel: string, message: string) => this.#hear(channel, message));
    listener.on('ready', () => void this.#listenAgain());
    const pinging = setInterval(() => void this.#ping(), pingMs).unref();
    closed.addEventListener('abort', () => clearInterval(pinging));
  }

  /** Resolves once no message sent from now on is missed. */
  async listen(channel: string, listener: ChannelListener): Promise<void> {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(listener));
    try {
      await this.#connection.call(() => this.#connection.listener.subscribe(channel));
    } catch (error) {
      this.leave(channel, listener);
      throw error;
    }
  }

  leave(channel: string, listener: ChannelListener): void {
    const listeners = this.#listeners.get(channel);
    listeners?.delete(listener);
    if (listeners === undefined || listeners.size > 0) return;
    this.#listeners.delete(channel);
    if (this.#connection.closed.aborted) return;
    // A channel that goes on for nobody is harmless, so a failure here is none.
    this.#connection.listener.unsubscribe(channel).catch(() => undefined);
  }

  #hear(channel: string, message: string): void {
    for (const listener of [...(this.#listeners.get(channel) ?? [])]) {
      try {
        listener.onMessage(message);
      } catch (error) {
        this.#log(`redis: a listener failed: ${String(error)}`);
      }
    }
  }

  /** Failure means that the connection is lost again, and the next one comes here. */
  async #listenAgain(): Promise<void> {
    const channels = [...this.#listeners.keys()];
    if (channels.length === 0) return;
    try {
      await this.#connection.listener.subscribe(...channels);
    } catch {
      if (!this.#connection.closed.aborted) this.#connection.listener.disconnect(true);
      return;
    }
    for (const channel of channels) {
      for (const listener of [...(this.#listeners.get(channel) ?? [])]) listener.onAgain();
    }
  }

  async #ping(): Promise<void> {
    const { listener, closed } = this.#connection;
    if (listener.status !== 'ready') return;
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('silent')), silenceMs).unref();
    });
    try {
      await Promise.race([listener.ping(), silence]);
    } catch {
      if (!closed.aborted && listener.status === 'ready') listener.disconnect(true);
    } finally {
      clearTimeout(timer);
    }
  }
}
