/**
 * API keys. Promises: a created key is durable and found by its hash at once; a hash exists once; a change is durable when it resolves. Not
 * promised: that uses are counted exactly (they come in batches, and a crash may lose one).
 */
import type { ApiKeyPatch, ApiKeyRecord, ApiKeyUse } from '@inkwell/contracts';

export interface KeyRotation {
  /** The new key's hash and prefix. */
  hash: string;
  prefix: string;
  /** Until when (Unix ms) the hash so far stays valid. */
  previousUntil: number;
}

export interface KeyStore {
  /** `exists` when the hash or the id is taken. */
  create(record: ApiKeyRecord): Promise<'created' | 'exists'>;
  get(id: string): Promise<ApiKeyRecord | undefined>;
  /** By its hash, or by the one before its last rotation, even when that time is over: look at `previousUntil`. */
  findByHash(hash: string): Promise<ApiKeyRecord | undefined>;
  /** Oldest first; every tenant's when `tenant` is left out. */
  list(tenant?: string): Promise<ApiKeyRecord[]>;
  /** Answers the key as it is now; undefined when there is none or it was revoked. */
  update(id: string, patch: ApiKeyPatch): Promise<ApiKeyRecord | undefined>;
  /** Replaces the hash if it still is `hash`; undefined when it isn't, when there is no such key or it was revoked. */
  rotate(id: string, hash: string, rotation: KeyRotation): Promise<ApiKeyRecord | undefined>;
  /** False when there is no such key or it was revoked before. */
  revoke(id: string, at: number): Promise<boolean>;
  /** Adds to the counts; unknown keys are passed over. */
  recordUses(uses: readonly ApiKeyUse[]): Promise<void>;
}
