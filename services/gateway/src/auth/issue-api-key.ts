/** Makes an API key and its record. Whoever calls this shows the key once; afterwards only its keyed hash exists. */
import { randomBytes } from 'node:crypto';
import { type ApiKeyRecord, type Role, unrestrictedKey } from '@inkwell/contracts';
import type { KeyStore } from '@inkwell/ports';
import { apiKeyPrefix, hashApiKey, makeApiKey } from './api-key.ts';

type Restrictions = Pick<ApiKeyRecord, 'userId' | 'scopes' | 'models' | 'allowedIps' | 'limits' | 'signed'>;

/** What is left out of the restrictions isn't restricted. */
export interface KeyGrant extends Partial<Restrictions> {
  name: string;
  tenant: string;
  role: Role;
  /** Unix milliseconds. */
  expiresAt: number | null;
  /** A key of the operator's choosing instead of a made one. */
  chosenKey?: string;
}

export interface IssuedKey {
  key: string;
  record: ApiKeyRecord;
}

/** @returns the key and its record; `existed` when a chosen key was there before (the record is then the older one) */
export async function issueApiKey(
  store: KeyStore,
  serverSecret: string | Uint8Array,
  now: number,
  grant: KeyGrant,
  /** Does what makes the key, with what must come before and after. */
  around: <T>(record: ApiKeyRecord, create: () => Promise<T>) => Promise<T> = (_, create) => create(),
): Promise<IssuedKey & { existed: boolean }> {
  const key = grant.chosenKey ?? makeApiKey();
  const { chosenKey: _, ...granted } = grant;
  const record: ApiKeyRecord = {
    ...unrestrictedKey,
    ...granted,
    id: `key_${randomBytes(9).toString('hex')}`,
    hash: hashApiKey(serverSecret, key),
    prefix: apiKeyPrefix(key),
    createdAt: now,
    revokedAt: null,
  };
  if ((await around(record, () => store.create(record))) === 'created') return { key, record, existed: false };
  const older = await store.findByHash(record.hash);
  if (!older) throw new Error('a new API key collided with an existing id; try again');
  return { key, record: older, existed: true };
}
