/**
 * Sign-ins from their beginning to their end: a session is made, its refresh token rotates, it is revoked. Whoever holds the newest refresh token
 * goes on; whoever brings an old one ends the session for both.
 */
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
import { audited, type By } from '../audit/audit.ts';
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

/** How somebody proved who they are. */
export type SignInMethod = 'password' | 'github';

/** Who signs in, and by which request. */
export interface SignIn {
  user: UserRecord;
  method: SignInMethod;
  by: By;
}

const isPerson = ({ id }: UserRecord) => ({ kind: 'user', id }) as const;

async function startSession(gateway: GatewayContext, { user, method, by }: SignIn, kind: SessionKind) {
  const { clock, config, identity, ports } = gateway;
  const { request } = by;
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
  const who = { actor: isPerson(user), tenant: user.tenant, resource: `session/${id}` };
  const act = { ...who, action: 'auth.login', once: id, details: { method, kind } } as const;
  await audited(gateway, by, act, () => ports.sessionStore.create(session));
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
export async function signInWithTokens(gateway: GatewayContext, signIn: SignIn, asked?: string) {
  const { user } = signIn;
  const scopes = scopesAsked(asked, scopesOfRole(user.role));
  const { session, text } = await startSession(gateway, signIn, 'tokens');
  return tokens(gateway, user, session.id, scopes, text);
}

/** Begins a session of the console, its cookie in the answer. */
export async function signInWithCookie(gateway: GatewayContext, signIn: SignIn): Promise<Answer> {
  const { user } = signIn;
  const { session, text } = await startSession(gateway, signIn, 'browser');
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

/** A spent token came back: its family is revoked, here if the store hasn't done it yet. */
async function refuseReuse(gateway: GatewayContext, { id }: SessionRecord, user: UserRecord): Promise<never> {
  gateway.log.warn({ sessionId: id, userId: user.id }, 'an old refresh token came back; its family is revoked');
  await voidSession(gateway, id);
  const note = { action: 'auth.reuse_detected', resource: `session/${id}`, tenant: user.tenant } as const;
  throw new InkwellError('invalid_token', { note });
}

/** The next pair of tokens. @throws InkwellError `invalid_token`, also when an old token came back and the family was revoked for it */
export async function refreshTokens(gateway: GatewayContext, by: By, text: string, asked?: string) {
  const { clock, config, identity, ports } = gateway;
  const held = readSessionSecret(identity.keyring, 'tokens', text);
  const session = held && (await ports.sessionStore.get(held.sessionId));
  if (!held || !session) throw new InkwellError('invalid_token');
  const user = await ports.userStore.get(session.userId);
  const note = { resource: `session/${session.id}`, tenant: user?.tenant };
  if (!user || user.disabledAt !== null) throw new InkwellError('invalid_token', { note });
  if (identity.revocations.isRevoked(`user:${user.id}`, session.createdAt))
    throw new InkwellError('invalid_token', { note });
  const scopes = scopesAsked(asked, scopesOfRole(user.role));
  const next = makeSessionSecret(identity.keyring, 'tokens', session.id, held.generation + 1);
  const at = clock.now();
  const rotate = () =>
    ports.sessionStore.rotate(session.id, {
      generation: held.generation,
      secretHash: held.secretHash,
      nextSecretHash: next.secretHash,
      at,
      expiresAt: Math.min(at + config.refreshTokenTtlMs, session.createdAt + config.longestSessionMs),
    });
  const isNewest = session.revokedAt === null && session.expiresAt > at && session.generation === held.generation;
  const who = { actor: isPerson(user), tenant: user.tenant, resource: note.resource };
  // However many come with one token at once, one of them is answered: to all of them this is the same act.
  const act = { ...who, action: 'auth.refreshed', once: `${session.id}:${held.generation}` } as const;
  const rotated = await (isNewest ? audited(gateway, by, act, rotate) : rotate());
  if (rotated.outcome === 'reused') return refuseReuse(gateway, session, user);
  if (rotated.outcome === 'ended') throw new InkwellError('invalid_token', { note });
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

/** Ends every session a person has but one. */
export async function endOtherSessions(gateway: GatewayContext, userId: string, kept: string | null): Promise<void> {
  for (const { id } of await gateway.ports.sessionStore.listLive(userId, gateway.clock.now())) {
    if (id !== kept) await endSession(gateway, id);
  }
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
