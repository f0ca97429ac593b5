/** AuditLog over the embedded database. */
import { type AuditEntry, type AuditHead, emptyHead } from '@inkwell/contracts';
import type { AuditFilter, AuditLog } from '@inkwell/ports';
import type { Database } from './database.ts';

interface AuditRow {
  seq: number;
  previous: string;
  hash: string;
  fact_id: string;
  at: number;
  actor_kind: AuditEntry['actor']['kind'];
  actor: string;
  key_id: string | null;
  tenant: string | null;
  action: AuditEntry['action'];
  resource: string;
  outcome: AuditEntry['outcome'];
  ip: string | null;
  request_id: string | null;
  reason: string | null;
  details: string;
}

/** Filter member → condition. */
const conditions: Readonly<Record<keyof AuditFilter, string>> = {
  tenant: 'tenant = ?',
  actor: 'actor = ?',
  keyId: 'key_id = ?',
  action: 'action = ?',
  outcome: 'outcome = ?',
  from: 'at >= ?',
  before: 'at < ?',
};

function where(filter: AuditFilter): { sql: string; values: (string | number)[] } {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined);
  const sql = given.map(([name]) => ` AND ${conditions[name as keyof AuditFilter]}`).join('');
  return { sql, values: given.map(([, value]) => value as string | number) };
}

export function createAuditLog(database: Database): AuditLog {
  const select = (filter: AuditFilter, place: string, seq: number, order: 'ASC' | 'DESC', limit: number) => {
    const { sql, values } = where(filter);
    const query = `SELECT * FROM audit_entries WHERE seq ${place} ?${sql} ORDER BY seq ${order} LIMIT ?`;
    return database.read((connection) => connection.all<AuditRow>(query, seq, ...values, limit)).map(toEntry);
  };
  return {
    append: (records) => database.write('appendAudit', records),
    list: async (filter, { limit, beforeSeq = Number.MAX_SAFE_INTEGER }) =>
      select(filter, '<', beforeSeq, 'DESC', limit),
    read: async (filter, { limit, afterSeq }) => select(filter, '>', afterSeq, 'ASC', limit),
    head: async () =>
      database.read((connection) => connection.get<AuditHead>('SELECT seq, hash FROM audit_head')) ?? emptyHead,
  };
}

function toEntry(row: AuditRow): AuditEntry {
  return {
    seq: row.seq,
    previous: row.previous,
    hash: row.hash,
    factId: row.fact_id,
    at: row.at,
    actor: { kind: row.actor_kind, id: row.actor },
    keyId: row.key_id,
    tenant: row.tenant,
    action: row.action,
    resource: row.resource,
    outcome: row.outcome,
    ip: row.ip,
    requestId: row.request_id,
    reason: row.reason,
    details: JSON.parse(row.details),
  };
}
