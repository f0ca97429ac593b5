/** Writes to API keys. */
import type { ApiKeyRecord } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';

function createApiKey(connection: Connection, record: ApiKeyRecord): 'created' | 'exists' {
  const added = connection.run(
    'INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    record.id,
    record.hash,
    record.prefix,
    record.name,
    record.tenant,
    record.role,
    record.createdAt,
    record.expiresAt,
    record.revokedAt,
  );
  return added === 1 ? 'created' : 'exists';
}

function revokeApiKey(connection: Connection, { id, at }: { id: string; at: number }): boolean {
  return connection.run('UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', at, id) === 1;
}

export const apiKeyOperations = { createApiKey, revokeApiKey };
