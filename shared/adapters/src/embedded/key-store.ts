/** KeyStore over the embedded database. */
import type { KeyStore } from '@inkwell/ports';
import type { Database } from './database.ts';
import { type KeyRow, toKeyRecord } from './key-row.ts';

export function createKeyStore(database: Database): KeyStore {
  const find = (sql: string, ...values: string[]) => {
    const row = database.read((connection) => connection.get<KeyRow>(sql, ...values));
    return row && toKeyRecord(row);
  };
  return {
    create: (record) => database.write('createApiKey', { ...record }),

    get: async (id) => find('SELECT * FROM api_keys WHERE id = ?', id),

    async findByHash(hash) {
      return (
        find('SELECT * FROM api_keys WHERE hash = ?', hash) ??
        find('SELECT * FROM api_keys WHERE previous_hash = ?', hash)
      );
    },

    async list(tenant) {
      const rows = database.read((connection) =>
        tenant === undefined
          ? connection.all<KeyRow>('SELECT * FROM api_keys ORDER BY created_at, id')
          : connection.all<KeyRow>('SELECT * FROM api_keys WHERE tenant = ? ORDER BY created_at, id', tenant),
      );
      return rows.map(toKeyRecord);
    },

    update: (id, patch) => database.write('updateApiKey', { id, patch }),

    rotate: (id, hash, rotation) => database.write('rotateApiKey', { id, hash, rotation }),

    revoke: (id, at) => database.write('revokeApiKey', { id, at }),

    async recordUses(uses) {
      if (uses.length > 0) await database.write('recordApiKeyUses', uses);
    },
  };
}
