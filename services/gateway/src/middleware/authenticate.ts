/**
 * Who is calling: an API key (`X-API-Key` or `Authorization: Bearer`), an access token (Bearer), or the console's cookie, in this order. All refusals
 * of what was brought read the same. No store is asked for a key, person or session met within the last seconds.
 */
import type { IncomingMessage } from 'node:http';
import { type ApiKeyRecord, InkwellError, type RevokedSubject, scopesOfRole } from '@inkwell/contracts';
import { isAllowedAddress, isCsrfToken, looksLikeToken, readSessionSecret, sameText } from '@inkwell/identity';
import { hashApiKeyOnce, isPlausibleApiKey, sameHash } from '../auth/api-key.ts';
import type { Caller } from '../auth/caller.ts';
import { isUsableKey, type KeyWithOwner } from '../auth/identity.ts';
import { keyCaller } from '../auth/key-caller.ts';
import { readSessionCookie } from '../auth/session-cookie.ts';
import type { GatewayContext } from '../context.ts';
import { clientAddress } from '../http/client-address.ts';

const invalidKey = () => new InkwellError('invalid_api_key');
const invalidToken = () => new InkwellError('invalid_token');
/** The key is right, so its owner will want to know which one somebody has elsewhere. */
export const addressNotAllowed = ({ id, tenant }: ApiKeyRecord) =>
  new InkwellError('address_not_allowed', { note: { tenant, details: { key: id } } });

/** @throws InkwellError `missing_api_key`, `invalid_api_key`, `invalid_token`, `address_not_allowed` or `csrf_token_invalid` */
export async function authenticate(request: IncomingMessage, gateway: GatewayContext): Promise<Caller> {
  const header = request.headers['x-api-key'];
  if (header !== undefined) return byKey(String(header).trim(), request, gateway);
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    // Another scheme is a wrong credential, not a missing one.
    const bearer = /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
    return looksLikeToken(bearer) ? byToken(bearer, request, gateway) : byKey(bearer, request, gateway);
  }
  const cookie = readSessionCookie(request, gateway.config);
  if (cookie !== undefined && cookie !== '') return byCookie(cookie, request, gateway);
  throw new InkwellError('missing_api_key');
}

function checkAddress({ record }: KeyWithOwner, request: IncomingMessage, { config }: GatewayContext): void {
  if (record.allowedIps === null) return;
  if (isAllowedAddress(clientAddress(request, config.trustedProxies), record.allowedIps)) return;
  throw addressNotAllowed(record);
}

/** The usable key with this text. @throws InkwellError `invalid_api_key` */
export async function findKey(
  key: string,
  { socket }: IncomingMessage,
  { config, identity, clock }: GatewayContext,
): Promise<KeyWithOwner & { hash: string }> {
  if (!isPlausibleApiKey(key)) throw invalidKey();
  const hash = hashApiKeyOnce(socket, config.keySecret, key);
  const found = await identity.keysByHash.get(hash);
  if (!found) throw invalidKey();
  const { record } = found;
  const now = clock.now();
  const current = sameHash(record.hash, hash);
  const previous = record.previousHash !== null && sameHash(record.previousHash, hash);
  const holds = current || (previous && (record.previousUntil ?? 0) > now);
  if (!holds || !isUsableKey(found, now)) throw invalidKey();
  if (identity.revocations.isRevoked(`key:${record.id}`, record.createdAt)) throw invalidKey();
  return { ...found, hash };
}

async function byKey(key: string, request: IncomingMessage, gateway: GatewayContext): Promise<Caller> {
  const found = await findKey(key, request, gateway);
  checkAddress(found, request, gateway);
  gateway.identity.uses.used(found.record.id);
  return { ...keyCaller(found.record, found.owner), signedBy: found.record.signed ? found.hash : null };
}

async function byToken(text: string, request: IncomingMessage, gateway: GatewayContext): Promise<Caller> {
  const { identity } = gateway;
  const token = await identity.accessTokens.verify(text);
  if (!token) throw invalidToken();
  const isVoid = (subjects: readonly RevokedSubject[]) =>
    subjects.some((subject) => identity.revocations.isRevoked(subject, token.issuedAt));
  const given = { scopes: token.scopes, issuedAt: token.issuedAt };
  if (token.sessionId === null) {
    const found = await identity.keysById.get(token.subject);
    if (!found || token.clientId !== token.subject || !isUsableKey(found, gateway.clock.now())) throw invalidToken();
    checkAddress(found, request, gateway);
    const caller = keyCaller(found.record, found.owner);
    const subjects: RevokedSubject[] = [...caller.subjects, `token:${token.id}`];
    if (isVoid(subjects.filter((subject) => !subject.startsWith('user:')))) throw invalidToken();
    identity.uses.used(found.record.id);
    const scopes = token.scopes.filter((scope) => caller.scopes.includes(scope));
    return { ...caller, ...given, kind: 'token', scopes, restricted: true, subjects };
  }
  const subjects: RevokedSubject[] = [`user:${token.subject}`, `session:${token.sessionId}`, `token:${token.id}`];
  const user = await identity.users.get(token.subject);
  if (!user || user.disabledAt !== null || isVoid(subjects)) throw invalidToken();
  const possible = scopesOfRole(user.role);
  return {
    ...person(user, token.sessionId, subjects),
    kind: 'token',
    issuedAt: token.issuedAt,
    scopes: possible.filter((scope) => token.scopes.includes(scope)),
    restricted: !possible.every((scope) => token.scopes.includes(scope)),
  };
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

async function byCookie(text: string, request: IncomingMessage, gateway: GatewayContext): Promise<Caller> {
  const { identity, clock } = gateway;
  const secret = readSessionSecret(identity.keyring, 'browser', text);
  const session = secret && (await identity.sessions.get(secret.sessionId));
  if (!secret || !session || session.kind !== 'browser') throw invalidToken();
  if (!sameText(session.secretHash, secret.secretHash)) throw invalidToken();
  if (session.revokedAt !== null || session.expiresAt <= clock.now()) throw invalidToken();
  const user = await identity.users.get(session.userId);
  const subjects: RevokedSubject[] = [`user:${session.userId}`, `session:${session.id}`];
  const isVoid = subjects.some((subject) => identity.revocations.isRevoked(subject, session.createdAt));
  if (!user || user.disabledAt !== null || isVoid) throw invalidToken();
  const csrf = request.headers['x-csrf-token'];
  if (!safeMethods.has(request.method ?? '') && !isCsrfToken(identity.keyring, session.id, String(csrf ?? ''))) {
    throw new InkwellError('csrf_token_invalid');
  }
  return { ...person(user, session.id, subjects), kind: 'session', issuedAt: session.createdAt };
}

function person(
  { id, tenant, role, limits }: { id: string; tenant: string; role: Caller['role']; limits: Caller['limits'] },
  sessionId: string,
  subjects: readonly RevokedSubject[],
): Omit<Caller, 'kind' | 'issuedAt'> {
  return {
    keyId: '',
    userId: id,
    sessionId,
    tenant,
    role,
    scopes: scopesOfRole(role),
    restricted: false,
    models: null,
    limits,
    subjects,
    signedBy: null,
  };
}
