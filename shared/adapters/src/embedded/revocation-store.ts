/** RevocationStore over the embedded database. */
import type { RevokedSubject } from '@inkwell/contracts';
import type { RevocationStore } from '@inkwell/ports';
import type { Database } from './database.ts';

interface RevocationRow {
  subject: RevokedSubject;
  at: number;
  expires_at: number;
}

export function createRevocationStore(database: Database): RevocationStore {
  return {
    add: (revocation) => database.write('addRevocation', { ...revocation }),

    async since(from, now) {
      const rows = database.read((connection) =>
        connection.all<RevocationRow>('SELECT * FROM revocations WHERE at >= ? AND expires_at > ?', from, now),
      );
      return rows.map(({ subject, at, expires_at }) => ({ subject, at, expiresAt: expires_at }));
    },

    pruneRevocations: (expiredBefore) => database.write('pruneRevocations', expiredBefore),
  };
}
