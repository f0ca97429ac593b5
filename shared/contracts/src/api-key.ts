/** API keys as they are kept: never the key itself, only its keyed hash and a prefix a person can recognise. */
import type { Role, Scope } from './scope.ts';

/** Limits of one key or user instead of the configured ones; null or absent = as configured. */
export interface LimitOverrides {
  requestsPerMinute?: number | null;
  tokensPerMinute?: number | null;
  tokensPerDay?: number | null;
  tokensPerMonth?: number | null;
}

export interface ApiKeyRecord {
  /** `key_…`, public. */
  id: string;
  /** Keyed hash (HMAC-SHA-256, hex) of the whole key. */
  hash: string;
  /** First characters of the key, for people. */
  prefix: string;
  name: string;
  /** Whose jobs this key sees. Never holds a colon. */
  tenant: string;
  role: Role;
  /** Unix milliseconds. */
  createdAt: number;
  expiresAt: number | null;
  revokedAt: number | null;
  /** The person it belongs to; null when an operator made it for a tenant. */
  userId: string | null;
  /** null = all that `scopesOfKey` gives its role. */
  scopes: Scope[] | null;
  /** Models it may use; null = all. */
  models: string[] | null;
  /** Addresses and networks (CIDR) it may be used from; null = everywhere. */
  allowedIps: string[] | null;
  limits: LimitOverrides | null;
  /** Every request must carry a signature (RFC 9421). */
  signed: boolean;
  /** The hash before the last rotation, valid until `previousUntil` (Unix ms). */
  previousHash: string | null;
  previousUntil: number | null;
  /** Counted in batches: may lag by a second, and by what a crash forgot. */
  lastUsedAt: number | null;
  usageCount: number;
}

/** What may change about a key after it was made. */
export type ApiKeyPatch = Partial<
  Pick<ApiKeyRecord, 'name' | 'scopes' | 'models' | 'allowedIps' | 'limits' | 'signed' | 'expiresAt'>
>;

/** A batch of uses of one key. */
export interface ApiKeyUse {
  id: string;
  count: number;
  /** Unix milliseconds of the latest. */
  lastUsedAt: number;
}

/** The fields a key without restrictions has; records of older versions read with these. */
export const unrestrictedKey = {
  userId: null,
  scopes: null,
  models: null,
  allowedIps: null,
  limits: null,
  signed: false,
  previousHash: null,
  previousUntil: null,
  lastUsedAt: null,
  usageCount: 0,
} as const satisfies Partial<ApiKeyRecord>;
