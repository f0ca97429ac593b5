/** UserStore over the embedded database. */
import type { UserStore } from '@inkwell/ports';
import type { Database } from './database.ts';
import { toUserRecord, type UserRow } from './user-row.ts';

export function createUserStore(database: Database): UserStore {
  const find = async (sql: string, value: string) => {
    const row = database.read((connection) => connection.get<UserRow>(sql, value));
    return row && toUserRecord(row);
  };
  return {
    create: (user) => database.write('createUser', { ...user }),
    get: (id) => find('SELECT * FROM users WHERE id = ?', id),
    findByUsername: (username) => find('SELECT * FROM users WHERE username = ?', username),
    findByVerifiedEmail: (email) => find('SELECT * FROM users WHERE email = ? AND email_verified = 1', email),
    findByGithubId: (githubId) => find('SELECT * FROM users WHERE github_id = ?', githubId),
    update: (id, patch, expected = {}) => database.write('updateUser', { id, patch, expected }),

    async list({ limit, after }) {
      const rows = database.read((connection) => {
        if (after === undefined)
          return connection.all<UserRow>('SELECT * FROM users ORDER BY created_at, id LIMIT ?', limit + 1);
        return connection.all<UserRow>(
          `SELECT users.* FROM users, users AS last WHERE last.id = ?
           AND (users.created_at, users.id) > (last.created_at, last.id)
           ORDER BY users.created_at, users.id LIMIT ?`,
          after,
          limit + 1,
        );
      });
      return { users: rows.slice(0, limit).map(toUserRecord), hasMore: rows.length > limit };
    },
  };
}
