/** Writes to the memory of vain tries and of what was used once. */
import type { AttemptRule } from '@inkwell/ports';
import type { Connection } from '../connection.ts';

interface AttemptRow {
  tries: number;
  next_at: number;
  expires_at: number;
}

function beginAttempt(
  connection: Connection,
  { subject, now, rule }: { subject: string; now: number; rule: AttemptRule },
): 'allowed' | { retryAfterMs: number } {
  const row = connection.get<AttemptRow>('SELECT tries, next_at, expires_at FROM attempts WHERE subject = ?', subject);
  const known = row !== undefined && row.expires_at > now ? row : { tries: 0, next_at: 0 };
  if (known.next_at > now) return { retryAfterMs: known.next_at - now };
  const delayMs = rule.delaysMs[Math.min(known.tries, rule.delaysMs.length - 1)] ?? 0;
  connection.run(
    'INSERT OR REPLACE INTO attempts (subject, tries, next_at, expires_at) VALUES (?, ?, ?, ?)',
    subject,
    known.tries + 1,
    now + delayMs,
    now + rule.forgetMs,
  );
  return 'allowed';
}

function clearAttempts(connection: Connection, subject: string): void {
  connection.run('DELETE FROM attempts WHERE subject = ?', subject);
}

function useOnce(
  connection: Connection,
  { text, now, expiresAt }: { text: string; now: number; expiresAt: number },
): boolean {
  connection.run('DELETE FROM used_once WHERE text = ? AND expires_at <= ?', text, now);
  return (
    connection.run('INSERT INTO used_once (text, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING', text, expiresAt) ===
    1
  );
}

function pruneAttempts(connection: Connection, now: number): number {
  const attempts = connection.run('DELETE FROM attempts WHERE expires_at <= ?', now);
  return attempts + connection.run('DELETE FROM used_once WHERE expires_at <= ?', now);
}

export const attemptOperations = { beginAttempt, clearAttempts, useOnce, pruneAttempts };
