/**
 * Sign-ins from their beginning to their end: a session is made, its refresh token rotates, it is revoked. Whoever holds the newest refresh token
 * goes on; whoever brings an old one ends the session for both.
 */
import type { IncomingMessage } from 'node:http';
import {
  InkwellError,
  isScope,
  type Scope,
  type SessionKind,
  type SessionRecord,
  scopesOfRole,
  type UserRecord,
} from '@inkwell/contracts';
import { csrfToken, makeSessionSecret, newSessionId, readSessionSecret } from '@inkwell/identity';
import type { GatewayContext } from '../context.ts';
import { toMeResource } from '../delivery/user-resource.ts';
import { clientAddress } from '../http/client-address.ts';
import type { Answer } from '../operation.ts';
import { sessionCookie } from './session-cookie.ts';

const noStore = { 'cache-control': 'no-store' };

/** The scopes asked for, of those there are. @throws InkwellError `insufficient_scope` */
export function scopesAsked(asked: string | undefined, possible: readonly Scope[]): readonly Scope[] {
  const names = (asked ?? '').split(' ').filter(Boolean);
  const refused = names.find((name) => !isScope(name) || !possible.includes(name));
  if (refused !== undefined) {
    throw new InkwellError('insufficient_scope', { param: 'scope', message: 'A scope asked for cannot be given.' });
  }
  return names.length === 0 ? possible : possible.filter((scope) => names.includes(scope));
}

async function startSession(gateway: GatewayContext, user: UserRecord, kind: SessionKind, request: IncomingMessage) {
  const { clock, config, identity, ports } = gateway;
  const now = clock.now();
  const id = newSessionId();
  const { text, secretHash, generation } = makeSessionSecret(identity.keyring, kind, id, 1);
  const session: SessionRecord = {
    id,
    userId: user.id,
    kind,
    secretHash,
    generation,
    createdAt: now,
    lastUsedAt: now,
    expiresAt: now + (kind === 'browser' ? config.browserSessionTtlMs : config.refreshTokenTtlMs),
    revokedAt: null,
    ip: clientAddress(request, config.trustedProxies),
    userAgent: String(request.headers['user-agent'] ?? '').slice(0, 200),
  };
  await ports.sessionStore.create(session);
  return { session, text };
}

async function tokens(
  { config, identity }: GatewayContext,
  user: UserRecord,
  sessionId: string,
  scopes: readonly Scope[],
  refreshToken: string,
) {
  const grant = { subject: user.id, clientId: 'inkwell', sessionId, scopes };
  return {
    access_token: await identity.accessTokens.issue(grant, config.accessTokenTtlMs),
    token_type: 'Bearer' as const,
    expires_in: Math.floor(config.accessTokenTtlMs / 1000),
    refresh_token: refreshToken,
    scope: scopes.join(' '),
  };
}

/** Begins a family of tokens. @throws InkwellError `insufficient_scope` */
export async function signInWithTokens(
  gateway: GatewayContext,
  user: UserRecord,
  request: IncomingMessage,
  asked?: string,
) {
  const scopes = scopesAsked(asked, scopesOfRole(user.role));
  const { session, text } = await startSession(gateway, user, 'tokens', request);
  return tokens(gateway, user, session.id, scopes, text);
}

/** Begins a session of the console, its cookie in the answer. */
export async function signInWithCookie(
  gateway: GatewayContext,
  user: UserRecord,
  request: IncomingMessage,
): Promise<Answer> {
  const { session, text } = await startSession(gateway, user, 'browser', request);
  const body = {
    user: toMeResource(user, scopesOfRole(user.role)),
    csrf_token: csrfToken(gateway.identity.keyring, session.id),
    expires_at: session.expiresAt / 1000,
  };
  return {
    status: 200,
    headers: noStore,
    cookies: [sessionCookie(gateway.config, text)],
    contentType: 'application/json',
    body: JSON.stringify(body),
  };
}

/** The next pair of tokens. @throws InkwellError `invalid_token`, also when an old token came back and the family was revoked for it */
export async function refreshTokens(gateway: GatewayContext, text: string, asked?: string) {
  const { clock, config, identity, ports } = gateway;
  const held = readSessionSecret(identity.keyring, 'tokens', text);
  const session = held && (await ports.sessionStore.get(held.sessionId));
  if (!held || !session) throw new InkwellError('invalid_token');
  const user = await ports.userStore.get(session.userId);
  if (!user || user.disabledAt !== null) throw new InkwellError('invalid_token');
  if (identity.revocations.isRevoked(`user:${user.id}`, session.createdAt)) throw new InkwellError('invalid_token');
  const scopes = scopesAsked(asked, scopesOfRole(user.role));
  const next = makeSessionSecret(identity.keyring, 'tokens', session.id, held.generation + 1);
  const at = clock.now();
  const rotated = await ports.sessionStore.rotate(session.id, {
    generation: held.generation,
    secretHash: held.secretHash,
    nextSecretHash: next.secretHash,
    at,
    expiresAt: Math.min(at + config.refreshTokenTtlMs, session.createdAt + config.longestSessionMs),
  });
  if (rotated.outcome === 'reused') {
    gateway.log.warn(
      { sessionId: session.id, userId: user.id },
      'an old refresh token came back; its family is revoked',
    );
    await voidSession(gateway, session.id);
  }
  if (rotated.outcome !== 'rotated') throw new InkwellError('invalid_token');
  return tokens(gateway, user, session.id, scopes, next.text);
}

/** Makes the access tokens of a session void on every gateway. */
async function voidSession({ identity, config }: GatewayContext, sessionId: string): Promise<void> {
  const forMs = Math.max(config.accessTokenTtlMs, config.browserSessionTtlMs) + 60_000;
  await identity.revocations.revoke(`session:${sessionId}`, forMs);
}

/** Ends a session for good. False when it had ended before. */
export async function endSession(gateway: GatewayContext, sessionId: string): Promise<boolean> {
  const revoked = await gateway.ports.sessionStore.revoke(sessionId, gateway.clock.now());
  // Said again even if it had been: a gateway may have died between the two.
  await voidSession(gateway, sessionId);
  return revoked;
}

/** Ends every session a person has. */
export async function endAllSessions(gateway: GatewayContext, userId: string): Promise<void> {
  const { clock, config, identity, ports } = gateway;
  for (const { id } of await ports.sessionStore.listLive(userId, clock.now())) {
    await ports.sessionStore.revoke(id, clock.now());
  }
  const forMs = Math.max(config.accessTokenTtlMs, config.browserSessionTtlMs) + 60_000;
  await identity.revocations.revoke(`user:${userId}`, forMs);
}
