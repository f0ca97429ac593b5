/**
 * Access tokens: JWTs (RFC 7519) in the profile of RFC 9068, signed with HS256. What is accepted is narrow: one algorithm, one type, our issuer
 * and audience, all claims present and of the right kind, not too early and not too late.
 */
import { randomUUID } from 'node:crypto';
import { isScope, type Scope } from '@inkwell/contracts';
import type { Clock } from '@inkwell/ports';
import { jwtVerify, SignJWT } from 'jose';
import type { DerivedKey, Keyring } from './keyring.ts';

const algorithm = 'HS256';
const type = 'at+jwt';
export const audience = 'inkwell';
/** Longer ones are refused unread; ours have some 500 characters. */
const maxLength = 4096;
/** How far the clocks of gateways may be apart. */
const clockToleranceSeconds = 5;

export interface AccessGrant {
  /** The person, or the API key of a machine. */
  subject: string;
  /** `inkwell` for people, the key's id for machines (RFC 9068, section 2.2). */
  clientId: string;
  /** The sign-in it belongs to; null for machines. */
  sessionId: string | null;
  scopes: readonly Scope[];
}

export interface AccessToken extends AccessGrant {
  id: string;
  /** Unix milliseconds. */
  issuedAt: number;
  expiresAt: number;
}

export class AccessTokens {
  readonly #keys: readonly DerivedKey[];
  readonly #issuer: string;
  readonly #clock: Clock;

  constructor(keyring: Keyring, issuer: string, clock: Clock) {
    this.#keys = keyring.keysFor('access token');
    this.#issuer = issuer;
    this.#clock = clock;
  }

  async issue(grant: AccessGrant, ttlMs: number): Promise<string> {
    const { kid, key } = this.#keys[0]!;
    // With its fraction, so that a revocation and a new sign-in of the same second can be told apart.
    const now = this.#clock.now() / 1000;
    const { clientId, scopes, sessionId } = grant;
    return new SignJWT({
      client_id: clientId,
      scope: scopes.join(' '),
      ...(sessionId === null ? {} : { sid: sessionId }),
      iat: now,
      nbf: now,
      exp: now + ttlMs / 1000,
    })
      .setProtectedHeader({ alg: algorithm, typ: type, kid })
      .setIssuer(this.#issuer)
      .setAudience(audience)
      .setSubject(grant.subject)
      .setJti(randomUUID())
      .sign(key);
  }

  /** Answers undefined for whatever isn't a valid token of ours, for whatever reason. */
  async verify(text: string): Promise<AccessToken | undefined> {
    if (text.length > maxLength) return undefined;
    try {
      const { payload } = await jwtVerify(text, ({ kid }) => this.#keyNamed(kid), {
        algorithms: [algorithm],
        typ: type,
        issuer: this.#issuer,
        audience,
        requiredClaims: ['sub', 'jti', 'iat', 'nbf', 'exp', 'client_id', 'scope'],
        clockTolerance: clockToleranceSeconds,
        currentDate: new Date(this.#clock.now()),
      });
      const { sub, jti, iat, exp, client_id: clientId, scope, sid = null } = payload;
      if (!isName(sub) || !isName(jti) || !isName(clientId) || typeof scope !== 'string') return undefined;
      if (sid !== null && !isName(sid)) return undefined;
      const scopes = scope.split(' ').filter(isScope);
      const times = { issuedAt: iat! * 1000, expiresAt: exp! * 1000 };
      return { id: jti, subject: sub, clientId, sessionId: sid, scopes, ...times };
    } catch {
      // Why is of no use to whoever sent it, and of some use to whoever forged it.
      return undefined;
    }
  }

  #keyNamed(kid: string | undefined): Uint8Array {
    const found = this.#keys.find((one) => one.kid === kid);
    if (!found) throw new Error('no key of this name');
    return found.key;
  }
}

const isName = (claim: unknown): claim is string => typeof claim === 'string' && claim !== '';

/** Whether a bearer credential means to be a JWT: three parts, the first the beginning of a JSON object in base64url. */
export function looksLikeToken(text: string): boolean {
  return /^ey[\w-]*\.[\w-]*\.[\w-]*$/.test(text);
}
