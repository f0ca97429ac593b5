/** Writes to sign-ins. */
import type { SessionRecord } from '@inkwell/contracts';
import type { RotationResult, SessionRotation } from '@inkwell/ports';
import type { Connection } from '../connection.ts';
import { type SessionRow, toSessionRecord } from '../session-row.ts';

function createSession(connection: Connection, session: SessionRecord): void {
  connection.run(
    `INSERT INTO sessions (id, user_id, kind, secret_hash, generation, created_at, last_used_at, expires_at, revoked_at,
       ip, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    session.id,
    session.userId,
    session.kind,
    session.secretHash,
    session.generation,
    session.createdAt,
    session.lastUsedAt,
    session.expiresAt,
    session.revokedAt,
    session.ip,
    session.userAgent,
  );
}

function read(connection: Connection, id: string): SessionRecord | undefined {
  const row = connection.get<SessionRow>('SELECT * FROM sessions WHERE id = ?', id);
  return row && toSessionRecord(row);
}

function rotateSession(
  connection: Connection,
  { id, rotation }: { id: string; rotation: SessionRotation },
): RotationResult {
  const { generation, secretHash, nextSecretHash, at, expiresAt } = rotation;
  const session = read(connection, id);
  if (!session || session.revokedAt !== null || session.expiresAt <= at) return { outcome: 'ended' };
  if (session.generation !== generation || session.secretHash !== secretHash) {
    revokeSession(connection, { id, at });
    return { outcome: 'reused', session: { ...session, revokedAt: at } };
  }
  connection.run(
    'UPDATE sessions SET secret_hash = ?, generation = generation + 1, last_used_at = ?, expires_at = ? WHERE id = ?',
    nextSecretHash,
    at,
    expiresAt,
    id,
  );
  return { outcome: 'rotated', session: read(connection, id)! };
}

function revokeSession(connection: Connection, { id, at }: { id: string; at: number }): boolean {
  return connection.run('UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', at, id) === 1;
}

function pruneSessions(connection: Connection, expiredBefore: number): number {
  return connection.run('DELETE FROM sessions WHERE expires_at < ?', expiredBefore);
}

export const sessionOperations = { createSession, rotateSession, revokeSession, pruneSessions };
