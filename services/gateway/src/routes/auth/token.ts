import type { IncomingMessage } from 'node:http';
import { InkwellError } from '@inkwell/contracts';
import { tokenRequestSchema, tokensSchema } from '@inkwell/contracts/http';
import { isAllowedAddress } from '@inkwell/identity';
import { audit, type By } from '../../audit/audit.ts';
import { keyCaller } from '../../auth/key-caller.ts';
import { refreshTokens, scopesAsked } from '../../auth/sign-in.ts';
import type { GatewayContext } from '../../context.ts';
import { clientAddress } from '../../http/client-address.ts';
import { addressNotAllowed, findKey } from '../../middleware/authenticate.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

interface Client {
  id: string;
  secret: string;
}

const invalidClient = () => new InkwellError('invalid_api_key', { message: 'The client is not known.' });

/** RFC 6749, section 2.3.1: by HTTP Basic, both parts form-encoded, or in the body; never both. */
function clientOf(request: IncomingMessage, body: { client_id?: string; client_secret?: string }): Client {
  const { authorization } = request.headers;
  if (authorization === undefined) {
    if (!body.client_id || !body.client_secret) throw invalidClient();
    return { id: body.client_id, secret: body.client_secret };
  }
  const basic = /^Basic +([A-Za-z0-9+/]+=*) *$/i.exec(authorization)?.[1];
  if (basic === undefined || body.client_secret !== undefined) throw invalidClient();
  const decoded = Buffer.from(basic, 'base64').toString('utf8');
  const mark = decoded.indexOf(':');
  try {
    return { id: decodeURIComponent(decoded.slice(0, mark)), secret: decodeURIComponent(decoded.slice(mark + 1)) };
  } catch {
    throw invalidClient();
  }
}

/** An API key for a short-lived token that may do what the key may, or less. Keys that must sign get none. */
async function machineToken(gateway: GatewayContext, { request, requestId }: By, client: Client, asked?: string) {
  const { config, identity } = gateway;
  const { record, owner } = await findKey(client.secret, request, gateway);
  if (record.id !== client.id || record.signed) throw invalidClient();
  const ip = clientAddress(request, config.trustedProxies);
  if (record.allowedIps && !isAllowedAddress(ip, record.allowedIps)) throw addressNotAllowed(record);
  const caller = keyCaller(record, owner);
  const scopes = scopesAsked(asked, caller.scopes);
  const grant = { subject: record.id, clientId: record.id, sessionId: null, scopes };
  const by = { request, requestId, caller };
  await audit(gateway, by, { action: 'auth.token_issued', resource: `key/${record.id}` });
  identity.uses.used(record.id);
  return {
    access_token: await identity.accessTokens.issue(grant, config.accessTokenTtlMs),
    token_type: 'Bearer' as const,
    expires_in: Math.floor(config.accessTokenTtlMs / 1000),
    scope: scopes.join(' '),
  };
}

/** `POST /api/auth/token`: the token endpoint of OAuth 2 (RFC 6749), for machines. */
export const token = defineOperation({
  id: 'token',
  method: 'post',
  path: '/api/auth/token',
  tag: 'Accounts',
  summary: 'OAuth 2 token endpoint',
  description: '`client_credentials` takes an API key: its id as client id, itself as client secret.',
  access: 'open',
  limit: 'request',
  body: tokenRequestSchema,
  bodyTypes: ['form', 'json'],
  errorShape: 'oauth',
  headers: {
    Authorization: { description: 'HTTP Basic with the client’s id and secret, instead of both in the body.' },
  },
  rules: [
    { param: 'refresh_token', code: 'missing_parameter', rule: 'is required with the grant_type refresh_token' },
    { param: 'refresh_token', code: 'invalid_token', rule: 'must be the newest of a live session' },
    { param: 'scope', code: 'insufficient_scope', rule: 'must be within what the credential is good for' },
  ],
  answers: { 200: jsonAnswer('The token.', tokensSchema) },
  errors: [
    'invalid_api_key',
    'invalid_token',
    'insufficient_scope',
    'unsupported_grant_type',
    'address_not_allowed',
    'dependency_unavailable',
  ],
  async handle(call, gateway) {
    const { body, request } = call;
    const headers = { 'cache-control': 'no-store' };
    if (body.grant_type === 'client_credentials') {
      return json(200, await machineToken(gateway, call, clientOf(request, body), body.scope), headers);
    }
    if (body.grant_type !== 'refresh_token') throw new InkwellError('unsupported_grant_type', { param: 'grant_type' });
    if (!body.refresh_token) {
      throw new InkwellError('missing_parameter', { param: 'refresh_token', message: 'Missing field: refresh_token' });
    }
    return json(200, await refreshTokens(gateway, call, body.refresh_token, body.scope), headers);
  },
});
