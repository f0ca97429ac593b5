/** SessionStore over the embedded database. */
import type { SessionStore } from '@inkwell/ports';
import type { Database } from './database.ts';
import { type SessionRow, toSessionRecord } from './session-row.ts';

export function createSessionStore(database: Database): SessionStore {
  return {
    create: (session) => database.write('createSession', { ...session }),

    async get(id) {
      const row = database.read((connection) => connection.get<SessionRow>('SELECT * FROM sessions WHERE id = ?', id));
      return row && toSessionRecord(row);
    },

    rotate: (id, rotation) => database.write('rotateSession', { id, rotation }),
    revoke: (id, at) => database.write('revokeSession', { id, at }),

    async listLive(userId, now) {
      const rows = database.read((connection) =>
        connection.all<SessionRow>(
          `SELECT * FROM sessions WHERE user_id = ? AND revoked_at IS NULL AND expires_at > ?
           ORDER BY created_at DESC, id`,
          userId,
          now,
        ),
      );
      return rows.map(toSessionRecord);
    },

    pruneSessions: (expiredBefore) => database.write('pruneSessions', expiredBefore),
  };
}
