/** Counts uses of API keys in memory and writes them in batches, so that a request costs no write. A crash forgets at most one batch. */
import type { Logger } from '@inkwell/observability';
import type { Clock, KeyStore } from '@inkwell/ports';

const flushEveryMs = 1_000;
/** Above this, keys that cannot be written for long are forgotten instead of gathered. */
const maxKeys = 50_000;

interface Uses {
  count: number;
  lastUsedAt: number;
}

export class KeyUses {
  readonly #store: KeyStore;
  readonly #clock: Clock;
  readonly #log: Logger;
  #uses = new Map<string, Uses>();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: KeyStore, clock: Clock, log: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  start(): void {
    this.#timer = setInterval(() => void this.flush(), flushEveryMs);
    this.#timer.unref();
  }

  used(keyId: string): void {
    this.#add(keyId, { count: 1, lastUsedAt: this.#clock.now() });
  }

  /** Writes what was counted; what cannot be written is tried again with the next batch. Never rejects. */
  async flush(): Promise<void> {
    if (this.#uses.size === 0) return;
    const batch = this.#uses;
    this.#uses = new Map();
    try {
      await this.#store.recordUses([...batch].map(([id, uses]) => ({ id, ...uses })));
    } catch (error) {
      this.#log.warn({ err: error }, 'uses of API keys could not be written; tried again later');
      if (batch.size <= maxKeys) for (const [id, uses] of batch) this.#add(id, uses);
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  #add(keyId: string, { count, lastUsedAt }: Uses): void {
    const known = this.#uses.get(keyId);
    this.#uses.set(keyId, {
      count: count + (known?.count ?? 0),
      lastUsedAt: Math.max(lastUsedAt, known?.lastUsedAt ?? 0),
    });
  }
}
