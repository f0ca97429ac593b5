/** API keys. Promises: a created key is durable and found by its hash at once; a hash exists once. */
import type { ApiKeyRecord } from '@inkwell/contracts';

export interface KeyStore {
  /** `exists` when the hash or the id is taken. */
  create(record: ApiKeyRecord): Promise<'created' | 'exists'>;
  findByHash(hash: string): Promise<ApiKeyRecord | undefined>;
  /** Oldest first; every tenant's when `tenant` is left out. */
  list(tenant?: string): Promise<ApiKeyRecord[]>;
  /** False when there is no such key or it was revoked before. */
  revoke(id: string, at: number): Promise<boolean>;
}
