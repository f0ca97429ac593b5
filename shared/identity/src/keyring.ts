/**
 * The secrets that sign what we hand out: the newest signs, former ones are still accepted. Each purpose has a key of its own, derived with HKDF
 * (RFC 5869), so that what one key signed means nothing to another. A key is named (`kid`) by a hash of it, the same on every gateway.
 */
import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

export type Purpose = 'access token' | 'session secret' | 'csrf' | 'oauth state' | 'request signature';

export interface DerivedKey {
  kid: string;
  key: Uint8Array;
}

const leastSecretLength = 32;

export class Keyring {
  readonly #secrets: readonly (string | Uint8Array)[];

  /** Newest first. Throws when there is none or one is too short. */
  constructor(secrets: readonly (string | Uint8Array)[]) {
    if (secrets.length === 0) throw new Error('a keyring needs at least one secret');
    if (secrets.some(({ length }) => length < leastSecretLength)) {
      throw new Error(`every secret must have at least ${leastSecretLength} bytes`);
    }
    this.#secrets = secrets;
  }

  /** Newest first, 256 bits each. */
  keysFor(purpose: Purpose): DerivedKey[] {
    return this.#secrets.map((secret) => {
      const key = new Uint8Array(hkdfSync('sha256', secret, 'inkwell', purpose, 32));
      return { key, kid: createHash('sha256').update(key).digest('base64url').slice(0, 8) };
    });
  }

  /** HMAC-SHA-256 (base64url) under the newest key. */
  sign(purpose: Purpose, text: string): string {
    return mac(this.keysFor(purpose)[0]!.key, text);
  }

  /** Whether any of the keys made this signature; constant time per key. */
  isSigned(purpose: Purpose, text: string, signature: string): boolean {
    return this.keysFor(purpose).some(({ key }) => sameText(mac(key, text), signature));
  }
}

function mac(key: Uint8Array, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}

/** Compares in constant time for texts of equal length. */
export function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
