/** KeyStore over the embedded database. */
import type { ApiKeyRecord, Role } from '@inkwell/contracts';
import type { KeyStore } from '@inkwell/ports';
import type { Database } from './database.ts';

interface KeyRow {
  id: string;
  hash: string;
  prefix: string;
  name: string;
  tenant: string;
  role: Role;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
}

export function createKeyStore(database: Database): KeyStore {
  return {
    create: (record) => database.write('createApiKey', { ...record }),

    async findByHash(hash) {
      const row = database.read((connection) => connection.get<KeyRow>('SELECT * FROM api_keys WHERE hash = ?', hash));
      return row && toRecord(row);
    },

    async list(tenant) {
      const rows = database.read((connection) =>
        connection.all<KeyRow>(
          'SELECT * FROM api_keys WHERE ?1 IS NULL OR tenant = ?1 ORDER BY created_at, id',
          tenant ?? null,
        ),
      );
      return rows.map(toRecord);
    },

    revoke: (id, at) => database.write('revokeApiKey', { id, at }),
  };
}

function toRecord(row: KeyRow): ApiKeyRecord {
  return {
    id: row.id,
    hash: row.hash,
    prefix: row.prefix,
    name: row.name,
    tenant: row.tenant,
    role: row.role,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}
