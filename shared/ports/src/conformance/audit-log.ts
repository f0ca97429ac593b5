/** What every AuditLog promises: each event once, in a chain without a gap, whoever appends at the same time. */
import { randomUUID } from 'node:crypto';
import type { AuditRecord } from '@inkwell/contracts';
import { describe, expect, it } from 'vitest';
import { verifyAuditLog } from '../verify-audit-log.ts';
import { atOnce, type MakeAdapter, newTenant } from './harness.ts';
import { withAdapter } from './with-adapter.ts';

export function auditRecord(tenant: string, changes: Partial<AuditRecord> = {}): AuditRecord {
  return {
    factId: `audit:${randomUUID()}`,
    at: 1_700_000_000_000.25,
    actor: { kind: 'key', id: 'key_1' },
    keyId: 'key_1',
    tenant,
    action: 'key.created',
    resource: 'key/key_2 "é" 💡',
    outcome: 'allowed',
    ip: '127.0.0.1',
    requestId: 'req_1',
    reason: null,
    details: { role: 'user', n: 1.5, $set: true, 'a.b': 'x' },
    ...changes,
  };
}

export function auditLogConformance(makeAdapter: MakeAdapter<'auditLog'>): void {
  describe('AuditLog', () => {
    const adapter = withAdapter(makeAdapter);
    const log = () => adapter().auditLog;
    const all = (tenant: string) => log().read({ tenant }, { afterSeq: 0, limit: 1000 });

    it('keeps every event whole, in the order given, each chained to the one before', async () => {
      const tenant = newTenant();
      const nameless = auditRecord(tenant, { keyId: null, ip: null, requestId: null, reason: 'invalid_api_key' });
      const records = [auditRecord(tenant), nameless, auditRecord(tenant, { details: {} })];
      await log().append(records);
      const entries = await all(tenant);
      expect(entries.map(({ seq: _s, previous: _p, hash: _h, ...record }) => record)).toEqual(records);
      for (const [index, entry] of entries.entries()) {
        const before = entries[index - 1];
        if (before === undefined) continue;
        expect(entry.seq).toBe(before.seq + 1);
        expect(entry.previous).toBe(before.hash);
      }
      expect(await log().head()).toEqual({ seq: entries.at(-1)!.seq, hash: entries.at(-1)!.hash });
      expect((await verifyAuditLog(log())).broken).toBeNull();
    });

    it('appends an event once, however often and in whatever company it is handed in', async () => {
      const tenant = newTenant();
      const records = Array.from({ length: 5 }, () => auditRecord(tenant));
      await log().append([records[0]!, records[0]!, records[1]!]);
      await log().append(records);
      await log().append(records.toReversed());
      await log().append([]);
      expect((await all(tenant)).map(({ factId }) => factId)).toEqual(records.map(({ factId }) => factId));
    });

    it('is one chain with every event once when many append the same and other events at once', async () => {
      const tenant = newTenant();
      const shared = Array.from({ length: 20 }, () => auditRecord(tenant));
      await atOnce(6, (index) => {
        const own = Array.from({ length: 5 }, () => auditRecord(tenant, { requestId: `req_${index}` }));
        return log().append([...own, ...(index % 2 === 0 ? shared : shared.toReversed())]);
      });
      const entries = await all(tenant);
      expect(entries).toHaveLength(50);
      expect(new Set(entries.map(({ factId }) => factId)).size).toBe(50);
      expect(await verifyAuditLog(log())).toMatchObject({ broken: null });
    });

    it('finds by tenant, actor, key, action, outcome and time, all together, newest first in pages', async () => {
      const tenant = newTenant();
      const [match, ...others] = [
        { actor: { kind: 'user', id: 'user_7' }, keyId: 'key_9', action: 'auth.login', outcome: 'refused', at: 50 },
        { actor: { kind: 'user', id: 'user_8' }, keyId: 'key_9', action: 'auth.login', outcome: 'refused', at: 50 },
        { actor: { kind: 'user', id: 'user_7' }, keyId: 'key_8', action: 'auth.login', outcome: 'refused', at: 50 },
        { actor: { kind: 'user', id: 'user_7' }, keyId: 'key_9', action: 'auth.logout', outcome: 'refused', at: 50 },
        { actor: { kind: 'user', id: 'user_7' }, keyId: 'key_9', action: 'auth.login', outcome: 'allowed', at: 50 },
        { actor: { kind: 'user', id: 'user_7' }, keyId: 'key_9', action: 'auth.login', outcome: 'refused', at: 60 },
        { actor: { kind: 'user', id: 'user_7' }, keyId: 'key_9', action: 'auth.login', outcome: 'refused', at: 49 },
      ] as const;
      const matching = Array.from({ length: 5 }, () => auditRecord(tenant, match));
      await log().append([...others.map((one) => auditRecord(tenant, one)), ...matching]);
      await log().append([auditRecord(newTenant(), match)]);
      const filter = {
        tenant,
        actor: 'user_7',
        keyId: 'key_9',
        action: match.action,
        outcome: match.outcome,
        from: 50,
        before: 60,
      };
      const first = await log().list(filter, { limit: 3 });
      const second = await log().list(filter, { limit: 3, beforeSeq: first.at(-1)!.seq });
      const ids = [...first, ...second].map(({ factId }) => factId);
      expect(ids).toEqual(matching.map(({ factId }) => factId).toReversed());
      expect(second).toHaveLength(2);
    });
  });
}
