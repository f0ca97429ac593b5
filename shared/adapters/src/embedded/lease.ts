/** Lease over the embedded database. Time is the store's clock, read when the call is made. */
import type { JobKey } from '@inkwell/contracts';
import type { Clock, Lease } from '@inkwell/ports';
import type { Database } from './database.ts';

export function createLease(database: Database, clock: Clock): Lease {
  return {
    acquire: (key, owner, ttlMs) => database.write('takeLease', { key, owner, ttlMs, now: clock.now(), force: false }),

    async seize(key, owner, ttlMs) {
      const taken = await database.write('takeLease', { key, owner, ttlMs, now: clock.now(), force: true });
      if (taken === 'held') throw new Error('A seized lease cannot be held by another.');
      return taken;
    },

    renew: (key, fence, ttlMs) => database.write('renewLease', { key, fence, expiresAt: clock.now() + ttlMs }),

    release: (key, fence) => database.write('releaseLease', { key, fence }),

    async lapsed(limit) {
      type Row = { key: JobKey };
      const query = 'SELECT key FROM leases WHERE expires_at > 0 AND expires_at <= ? ORDER BY expires_at LIMIT ?';
      return database.read((connection) => connection.all<Row>(query, clock.now(), limit)).map(({ key }) => key);
    },
  };
}
