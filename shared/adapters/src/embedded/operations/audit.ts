/** Appends to the audit log: entries and head move in one transaction, by the one writer. */
import { type AuditEntry, type AuditHead, type AuditRecord, chainAfter, emptyHead } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';

function isThere(connection: Connection, { factId }: AuditRecord): boolean {
  return connection.get('SELECT 1 FROM audit_entries WHERE fact_id = ?', factId) !== undefined;
}

function insert(connection: Connection, entry: AuditEntry): void {
  connection.run(
    'INSERT INTO audit_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    entry.seq,
    entry.previous,
    entry.hash,
    entry.factId,
    entry.at,
    entry.actor.kind,
    entry.actor.id,
    entry.keyId,
    entry.tenant,
    entry.action,
    entry.resource,
    entry.outcome,
    entry.ip,
    entry.requestId,
    entry.reason,
    JSON.stringify(entry.details),
  );
}

/** Goes on from the newest entry; should the table have been cut behind our back, from the head, so that the gap shows. */
function appendAudit(connection: Connection, records: readonly AuditRecord[]): void {
  const head = connection.get<AuditHead>('SELECT seq, hash FROM audit_head') ?? emptyHead;
  const unique = [...new Map(records.map((record) => [record.factId, record])).values()];
  const fresh = unique.filter((record) => !isThere(connection, record));
  const entries = chainAfter(head, fresh);
  for (const entry of entries) insert(connection, entry);
  const last = entries.at(-1);
  if (last !== undefined) connection.run('INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?)', last.seq, last.hash);
}

export const auditOperations = { appendAudit };
