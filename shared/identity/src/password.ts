/**
 * Password hashes. New ones are argon2id; bcrypt of imported accounts is accepted and said to be outdated. A password that belongs to nobody
 * costs as much as one that does, and only a few are computed at a time: each holds 19 MiB and a thread that others need as well.
 */
import { randomBytes } from 'node:crypto';
import { InkwellError } from '@inkwell/contracts';
import { hash as argon2Hash, verify as argon2Verify } from '@node-rs/argon2';
import { compare as bcryptCompare } from 'bcryptjs';

/** OWASP Password Storage Cheat Sheet, first choice for argon2id: 19 MiB, two passes, one lane. 2 = argon2id (RFC 9106). */
const argon2id = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const current = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/;
const bcrypt = /^\$2[aby]\$/;

/** Computed at once, and waiting for their turn at most. */
const maxRunning = 2;
const maxWaiting = 32;

export interface PasswordCheck {
  valid: boolean;
  /** The hash is of an older kind: replace it, now that the password is at hand. */
  outdated: boolean;
}

export class Passwords {
  readonly #nobody: Promise<string>;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor() {
    this.#nobody = argon2Hash(randomBytes(32), argon2id);
    // A failure is met by whoever verifies; without this it would be an unhandled rejection.
    this.#nobody.catch(() => undefined);
  }

  /** A PHC string. Rejects with `dependency_unavailable` when too many wait. */
  hash(password: string): Promise<string> {
    return this.#inTurn(() => argon2Hash(password, argon2id));
  }

  /** @param stored null = there is no such account, or it has no password: the same work, and never valid */
  verify(password: string, stored: string | null): Promise<PasswordCheck> {
    return this.#inTurn(async () => {
      if (stored !== null && bcrypt.test(stored)) {
        return { valid: await bcryptCompare(password, stored), outdated: true };
      }
      const valid = await argon2Verify(stored ?? (await this.#nobody), password);
      return { valid: valid && stored !== null, outdated: stored !== null && !current.test(stored) };
    });
  }

  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#running >= maxRunning) {
      if (this.#waiting.length >= maxWaiting)
        throw new InkwellError('dependency_unavailable', { retryAfterSeconds: 1 });
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}
