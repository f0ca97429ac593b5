/** Writes to people's accounts. What must exist once is looked for first, so that the answer can name it; the unique indexes stand behind. */
import type { UserPatch, UserRecord } from '@inkwell/contracts';
import type { UserConflict } from '@inkwell/ports';
import type { Connection } from '../connection.ts';
import { toJson } from '../key-row.ts';
import { toUserRecord, type UserRow } from '../user-row.ts';

/** What of `user` another account has. */
function conflictOf(connection: Connection, user: UserRecord): UserConflict | undefined {
  const taken = (sql: string, value: string) =>
    connection.get(`SELECT 1 FROM users WHERE ${sql}`, value, user.id) !== undefined;
  if (taken('username = ? AND id <> ?', user.username)) return 'username';
  if (user.email && user.emailVerified && taken('email = ? AND email_verified = 1 AND id <> ?', user.email))
    return 'email';
  if (user.githubId && taken('github_id = ? AND id <> ?', user.githubId)) return 'githubId';
  return undefined;
}

function createUser(connection: Connection, user: UserRecord): 'created' | UserConflict {
  if (connection.get('SELECT 1 FROM users WHERE id = ?', user.id) !== undefined) return 'id';
  const conflict = conflictOf(connection, user);
  if (conflict !== undefined) return conflict;
  connection.run(
    `INSERT INTO users (id, username, email, email_verified, tenant, role, password_hash, github_id, limits, created_at,
       disabled_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    user.id,
    user.username,
    user.email,
    Number(user.emailVerified),
    user.tenant,
    user.role,
    user.passwordHash,
    user.githubId,
    toJson(user.limits),
    user.createdAt,
    user.disabledAt,
  );
  return 'created';
}

interface UserUpdate {
  id: string;
  patch: UserPatch;
  expected: UserPatch;
}

function updateUser(
  connection: Connection,
  { id, patch, expected }: UserUpdate,
): UserRecord | 'changed' | UserConflict {
  const row = connection.get<UserRow>('SELECT * FROM users WHERE id = ?', id);
  if (row === undefined) return 'changed';
  const current = toUserRecord(row);
  const names = Object.keys(expected) as (keyof UserPatch)[];
  if (names.some((name) => JSON.stringify(expected[name]) !== JSON.stringify(current[name]))) return 'changed';
  const next = { ...current, ...patch };
  const conflict = conflictOf(connection, next);
  if (conflict !== undefined) return conflict;
  connection.run(
    `UPDATE users SET role = ?, email = ?, email_verified = ?, password_hash = ?, github_id = ?, limits = ?,
       disabled_at = ? WHERE id = ?`,
    next.role,
    next.email,
    Number(next.emailVerified),
    next.passwordHash,
    next.githubId,
    toJson(next.limits),
    next.disabledAt,
    id,
  );
  return next;
}

export const userOperations = { createUser, updateUser };
