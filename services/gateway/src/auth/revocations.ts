/**
 * What is revoked, known in memory. A revocation is written first, then announced; every gateway hears it, and also reads the records of the
 * last while each second, so that a lost announcement costs a second at most. Callers learn of each once or more.
 */
import type { Revocation, RevokedSubject } from '@inkwell/contracts';
import type { Logger } from '@inkwell/observability';
import type { Announcements, Clock, RevocationStore } from '@inkwell/ports';
import { z } from 'zod';

const topic = 'identity';
const readEveryMs = 1_000;
/** How far back each reading looks: clocks differ, and a store may be out of reach for a while. */
const overlapMs = 120_000;

const messageSchema = z.strictObject({
  kind: z.enum(['revoked', 'changed']),
  subject: z.templateLiteral([z.enum(['key', 'session', 'user', 'token']), ':', z.string()]),
  at: z.number(),
  expiresAt: z.number(),
});

export interface RevocationEvents {
  /** Something about the subject is different: forget what was read of it. */
  onChanged(subject: RevokedSubject): void;
  /** What the subject was given before is void. */
  onRevoked(subject: RevokedSubject): void;
  /** Announcements may have been missed. */
  onGap(): void;
}

interface Parts {
  store: RevocationStore;
  announcements: Announcements;
  clock: Clock;
  log: Logger;
}

export class Revocations {
  readonly #parts: Parts;
  readonly #events: RevocationEvents;
  readonly #known = new Map<RevokedSubject, Pick<Revocation, 'at' | 'expiresAt'>>();
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: Parts, events: RevocationEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  /** Resolves once every revocation so far is known and none is missed from now on. */
  async start(): Promise<void> {
    const listener = {
      onAnnouncement: (payload: string) => this.#hear(payload),
      onGap: () => {
        this.#events.onGap();
        void this.#read(0);
      },
    };
    await this.#parts.announcements.listen(topic, listener, this.#stopped.signal);
    await this.#learn(0);
    this.#timer = setInterval(() => void this.#read(this.#parts.clock.now() - overlapMs), readEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stopped.abort();
  }

  /** Whether something issued then to somebody who depends on the subject is void. */
  isRevoked(subject: RevokedSubject, issuedAt: number): boolean {
    const known = this.#known.get(subject);
    return known !== undefined && issuedAt <= known.at;
  }

  /** Durable, and known here, when it resolves; on its way to the others. Rejects when it could not be written. */
  async revoke(subject: RevokedSubject, forMs: number): Promise<void> {
    const at = this.#parts.clock.now();
    const revocation = { subject, at, expiresAt: at + forMs };
    await this.#parts.store.add(revocation);
    this.#note(revocation);
    await this.#announce({ kind: 'revoked', ...revocation });
  }

  /** Tells every gateway to read the subject anew. */
  async changed(subject: RevokedSubject): Promise<void> {
    this.#events.onChanged(subject);
    await this.#announce({ kind: 'changed', subject, at: 0, expiresAt: 0 });
  }

  async #announce(message: z.infer<typeof messageSchema>): Promise<void> {
    try {
      await this.#parts.announcements.announce(topic, JSON.stringify(message));
    } catch (error) {
      this.#parts.log.warn(
        { err: error },
        'a revocation could not be announced; the other gateways read it within seconds',
      );
    }
  }

  #hear(payload: string): void {
    const parsed = messageSchema.safeParse(safeJson(payload));
    if (!parsed.success) {
      this.#parts.log.warn('an announcement about identities was not understood');
      return;
    }
    const { kind, ...revocation } = parsed.data;
    if (kind === 'revoked') this.#note(revocation);
    else this.#events.onChanged(revocation.subject);
  }

  #note({ subject, at, expiresAt }: Revocation): void {
    const known = this.#known.get(subject);
    if (known && known.at >= at) return;
    this.#known.set(subject, { at, expiresAt: Math.max(expiresAt, known?.expiresAt ?? 0) });
    this.#events.onChanged(subject);
    this.#events.onRevoked(subject);
  }

  async #learn(from: number): Promise<void> {
    const now = this.#parts.clock.now();
    for (const revocation of await this.#parts.store.since(from, now)) this.#note(revocation);
    for (const [subject, { expiresAt }] of this.#known) if (expiresAt <= now) this.#known.delete(subject);
  }

  async #read(from: number): Promise<void> {
    try {
      await this.#learn(from);
    } catch (error) {
      this.#parts.log.debug({ err: error }, 'revocations could not be read; tried again in a second');
    }
  }
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
