/** Writes to API keys. */
import type { ApiKeyPatch, ApiKeyRecord, ApiKeyUse } from '@inkwell/contracts';
import type { KeyRotation } from '@inkwell/ports';
import type { Connection } from '../connection.ts';
import { type KeyRow, toJson, toKeyRecord } from '../key-row.ts';

function createApiKey(connection: Connection, record: ApiKeyRecord): 'created' | 'exists' {
  const added = connection.run(
    `INSERT INTO api_keys (id, hash, prefix, name, tenant, role, created_at, expires_at, revoked_at, user_id, scopes,
       models, allowed_ips, limits, signed, previous_hash, previous_until, last_used_at, usage_count)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
    record.id,
    record.hash,
    record.prefix,
    record.name,
    record.tenant,
    record.role,
    record.createdAt,
    record.expiresAt,
    record.revokedAt,
    record.userId,
    toJson(record.scopes),
    toJson(record.models),
    toJson(record.allowedIps),
    toJson(record.limits),
    Number(record.signed),
    record.previousHash,
    record.previousUntil,
    record.lastUsedAt,
    record.usageCount,
  );
  return added === 1 ? 'created' : 'exists';
}

function unrevoked(connection: Connection, id: string): ApiKeyRecord | undefined {
  const row = connection.get<KeyRow>('SELECT * FROM api_keys WHERE id = ? AND revoked_at IS NULL', id);
  return row && toKeyRecord(row);
}

function updateApiKey(
  connection: Connection,
  { id, patch }: { id: string; patch: ApiKeyPatch },
): ApiKeyRecord | undefined {
  const record = unrevoked(connection, id);
  if (record === undefined) return undefined;
  const { name, scopes, models, allowedIps, limits, signed, expiresAt } = { ...record, ...patch };
  connection.run(
    `UPDATE api_keys SET name = ?, scopes = ?, models = ?, allowed_ips = ?, limits = ?, signed = ?, expires_at = ?
     WHERE id = ?`,
    name,
    toJson(scopes),
    toJson(models),
    toJson(allowedIps),
    toJson(limits),
    Number(signed),
    expiresAt,
    id,
  );
  return unrevoked(connection, id);
}

function rotateApiKey(
  connection: Connection,
  { id, hash, rotation }: { id: string; hash: string; rotation: KeyRotation },
): ApiKeyRecord | undefined {
  const rotated = connection.run(
    `UPDATE api_keys SET hash = ?, prefix = ?, previous_hash = hash, previous_until = ?
     WHERE id = ? AND hash = ? AND revoked_at IS NULL`,
    rotation.hash,
    rotation.prefix,
    rotation.previousUntil,
    id,
    hash,
  );
  return rotated === 1 ? unrevoked(connection, id) : undefined;
}

function revokeApiKey(connection: Connection, { id, at }: { id: string; at: number }): boolean {
  return connection.run('UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', at, id) === 1;
}

function recordApiKeyUses(connection: Connection, uses: readonly ApiKeyUse[]): void {
  for (const { id, count, lastUsedAt } of uses) {
    connection.run(
      `UPDATE api_keys SET usage_count = usage_count + ?1, last_used_at = max(coalesce(last_used_at, ?2), ?2)
       WHERE id = ?3`,
      count,
      lastUsedAt,
      id,
    );
  }
}

export const apiKeyOperations = { createApiKey, updateApiKey, rotateApiKey, revokeApiKey, recordApiKeyUses };
