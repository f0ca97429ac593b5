/** Writes to the memory of answered requests. The claim and its resource id become durable together, before any work is done. */
import type { BeginResult, IdempotencyClaim } from '@inkwell/ports';
import type { Connection } from '../connection.ts';

interface ClaimRow {
  request_hash: string;
  resource_id: string;
  claim_expires_at: number;
  expires_at: number;
  response: string | null;
}

/** As `BeginResult`, the response still in JSON. */
type BeginAnswer =
  | Exclude<BeginResult, { outcome: 'replay' }>
  | { outcome: 'replay'; resourceId: string; response: string };

function beginRequest(connection: Connection, { claim, now }: { claim: IdempotencyClaim; now: number }): BeginAnswer {
  const row = connection.get<ClaimRow>(
    `SELECT request_hash, resource_id, claim_expires_at, expires_at, response FROM idempotency
     WHERE tenant = ? AND key = ?`,
    claim.tenant,
    claim.key,
  );
  if (row === undefined || row.expires_at <= now) return take(connection, claim, claim.resourceId, now, false);
  if (row.request_hash !== claim.requestHash) return { outcome: 'mismatch' };
  const resourceId = row.resource_id;
  if (row.response !== null) return { outcome: 'replay', resourceId, response: row.response };
  if (row.claim_expires_at > now) return { outcome: 'in_progress', resourceId };
  return take(connection, claim, resourceId, now, true);
}

function take(
  connection: Connection,
  claim: IdempotencyClaim,
  resourceId: string,
  now: number,
  resumed: boolean,
): BeginAnswer {
  connection.run(
    `INSERT OR REPLACE INTO idempotency (tenant, key, request_hash, resource_id, claim_expires_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?)`,
    claim.tenant,
    claim.key,
    claim.requestHash,
    resourceId,
    now + claim.claimTtlMs,
    now + claim.retentionMs,
  );
  return { outcome: 'begin', resourceId, resumed };
}

/** The first answer stands: what was replayed once is replayed the same for ever. */
function finishRequest(
  connection: Connection,
  { tenant, key, response }: { tenant: string; key: string; response: string },
): void {
  connection.run(
    'UPDATE idempotency SET response = ? WHERE tenant = ? AND key = ? AND response IS NULL',
    response,
    tenant,
    key,
  );
}

function abandonRequest(connection: Connection, { tenant, key }: { tenant: string; key: string }): void {
  connection.run('DELETE FROM idempotency WHERE tenant = ? AND key = ? AND response IS NULL', tenant, key);
}

export const idempotencyOperations = { beginRequest, finishRequest, abandonRequest };
