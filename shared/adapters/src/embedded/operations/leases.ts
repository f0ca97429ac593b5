/** Writes to leases. A row's fence only ever grows; `expires_at` 0 means that nobody holds it. */
import type { JobKey } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';

interface TakeInput {
  key: JobKey;
  owner: string;
  now: number;
  ttlMs: number;
  /** Take it from a living holder too. */
  force: boolean;
}

function takeLease(connection: Connection, { key, owner, now, ttlMs, force }: TakeInput): { fence: number } | 'held' {
  const lease = connection.get<{ expires_at: number }>('SELECT expires_at FROM leases WHERE key = ?', key);
  if (!force && lease !== undefined && lease.expires_at > now) return 'held';
  return connection.get<{ fence: number }>(
    `INSERT INTO leases VALUES (?1, 1, ?2, ?3)
     ON CONFLICT (key) DO UPDATE SET fence = fence + 1, owner = ?2, expires_at = ?3 RETURNING fence`,
    key,
    owner,
    now + ttlMs,
  )!;
}

function renewLease(
  connection: Connection,
  { key, fence, expiresAt }: { key: JobKey; fence: number; expiresAt: number },
): 'ok' | 'lost' {
  const changed = connection.run('UPDATE leases SET expires_at = ? WHERE key = ? AND fence = ?', expiresAt, key, fence);
  return changed === 1 ? 'ok' : 'lost';
}

function releaseLease(connection: Connection, { key, fence }: { key: JobKey; fence: number }): void {
  connection.run('UPDATE leases SET expires_at = 0 WHERE key = ? AND fence = ?', key, fence);
}

export const leaseOperations = { takeLease, renewLease, releaseLease };
