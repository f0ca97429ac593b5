/** AttemptStore over the embedded database. */
import type { AttemptStore } from '@inkwell/ports';
import type { Database } from './database.ts';

export function createAttemptStore(database: Database): AttemptStore {
  return {
    begin: (subject, now, rule) => database.write('beginAttempt', { subject, now, rule: { ...rule } }),
    clear: (subject) => database.write('clearAttempts', subject),
    useOnce: (text, now, expiresAt) => database.write('useOnce', { text, now, expiresAt }),
    pruneAttempts: (now) => database.write('pruneAttempts', now),
  };
}
