/**
 * What a client holds of a sign-in: the refresh token, or the console's cookie. It names session and generation, carries 256 random bits and is
 * signed, so that a made-up one is told from a genuine old one without asking the store. The store keeps a hash of the random part only.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { SessionKind } from '@inkwell/contracts';
import type { Keyring } from './keyring.ts';

const prefixes: Readonly<Record<SessionKind, string>> = { tokens: 'irt', browser: 'ibs' };
const format = /^(irt|ibs)_(ses_[0-9a-f]{32})\.([1-9]\d{0,8})\.([\w-]{43})\.([\w-]{43})$/;

export interface SessionSecret {
  sessionId: string;
  generation: number;
  /** SHA-256 (hex) of the random part. */
  secretHash: string;
}

export function newSessionId(): string {
  return `ses_${randomBytes(16).toString('hex')}`;
}

const hashOf = (random: string): string => createHash('sha256').update(random).digest('hex');

/** Makes the secret of a generation; the text is shown to the client and kept nowhere. */
export function makeSessionSecret(
  keyring: Keyring,
  kind: SessionKind,
  sessionId: string,
  generation: number,
): SessionSecret & { text: string } {
  const random = randomBytes(32).toString('base64url');
  const body = `${prefixes[kind]}_${sessionId}.${generation}.${random}`;
  const text = `${body}.${keyring.sign('session secret', body)}`;
  return { sessionId, generation, secretHash: hashOf(random), text };
}

/** Undefined for anything we did not make for this kind. */
export function readSessionSecret(keyring: Keyring, kind: SessionKind, text: string): SessionSecret | undefined {
  const [, prefix, sessionId, generation, random, signature] = format.exec(text) ?? [];
  if (prefix !== prefixes[kind] || !sessionId || !random || !signature) return undefined;
  if (!keyring.isSigned('session secret', text.slice(0, -signature.length - 1), signature)) return undefined;
  return { sessionId, generation: Number(generation), secretHash: hashOf(random) };
}

/** What the console's page sends with every unsafe request: bound to the session, and unknown to other sites. */
export function csrfToken(keyring: Keyring, sessionId: string): string {
  return keyring.sign('csrf', sessionId);
}

export function isCsrfToken(keyring: Keyring, sessionId: string, text: string): boolean {
  return keyring.isSigned('csrf', sessionId, text);
}
