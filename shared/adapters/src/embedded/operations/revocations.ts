/** Writes to the list of what was revoked. */
import type { Revocation } from '@inkwell/contracts';
import type { Connection } from '../connection.ts';

function addRevocation(connection: Connection, { subject, at, expiresAt }: Revocation): void {
  connection.run(
    `INSERT INTO revocations (subject, at, expires_at) VALUES (?, ?, ?)
     ON CONFLICT (subject) DO UPDATE SET at = max(at, excluded.at), expires_at = max(expires_at, excluded.expires_at)`,
    subject,
    at,
    expiresAt,
  );
}

function pruneRevocations(connection: Connection, expiredBefore: number): number {
  return connection.run('DELETE FROM revocations WHERE expires_at < ?', expiredBefore);
}

export const revocationOperations = { addRevocation, pruneRevocations };
