/** A row of the table of sessions, and the record it stands for. */
import type { SessionKind, SessionRecord } from '@inkwell/contracts';

export interface SessionRow {
  id: string;
  user_id: string;
  kind: SessionKind;
  secret_hash: string;
  generation: number;
  created_at: number;
  last_used_at: number;
  expires_at: number;
  revoked_at: number | null;
  ip: string;
  user_agent: string;
}

export function toSessionRecord(row: SessionRow): SessionRecord {
  return {
    id: row.id,
    userId: row.user_id,
    kind: row.kind,
    secretHash: row.secret_hash,
    generation: row.generation,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    ip: row.ip,
    userAgent: row.user_agent,
  };
}
