/** API keys as they are kept: never the key itself, only its keyed hash and a prefix a person can recognise. */

export const roles = ['user', 'operator', 'superuser'] as const;
export type Role = (typeof roles)[number];

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
}
