/**
 * Who is calling: the key from `X-API-Key` or `Authorization: Bearer`, checked for form, looked up by its keyed hash, compared in constant
 * time, refused when expired or revoked. All refusals of a given key read the same.
 */
import type { IncomingMessage } from 'node:http';
import { InkwellError } from '@inkwell/contracts';
import { hashApiKey, isPlausibleApiKey, sameHash } from '../auth/api-key.ts';
import type { Caller } from '../auth/caller.ts';
import { keyCaller } from '../auth/key-caller.ts';
import type { GatewayContext } from '../context.ts';

function keyOf(request: IncomingMessage): string | undefined {
  const header = request.headers['x-api-key'];
  if (typeof header === 'string') return header.trim();
  const { authorization } = request.headers;
  if (authorization === undefined) return undefined;
  // Another scheme is a wrong credential, not a missing one.
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '';
}

/** @throws InkwellError `missing_api_key` or `invalid_api_key` */
export async function authenticate(request: IncomingMessage, gateway: GatewayContext): Promise<Caller> {
  const key = keyOf(request);
  if (key === undefined || key === '') {
    throw new InkwellError(key === undefined ? 'missing_api_key' : 'invalid_api_key');
  }
  if (!isPlausibleApiKey(key)) throw new InkwellError('invalid_api_key');
  const hash = hashApiKey(gateway.config.keySecret, key);
  const record = await gateway.ports.keyStore.findByHash(hash);
  const valid =
    record !== undefined &&
    sameHash(record.hash, hash) &&
    record.revokedAt === null &&
    (record.expiresAt === null || record.expiresAt > gateway.clock.now());
  if (!valid) throw new InkwellError('invalid_api_key');
  return keyCaller(record, undefined);
}
