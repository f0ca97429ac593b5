/** Whoever alters the file behind our back is found by verifying: the head is kept in a table of its own. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { verifyAuditLog } from '@inkwell/ports';
import { auditRecord } from '@inkwell/ports/conformance';
import { describe, expect, it } from 'vitest';
import { openEmbeddedStore } from './index.ts';
import { scratch } from './testing/scratch.ts';

const bench = scratch();
const clock = { now: () => 1000 };

const tamperings: [string, string, object | null][] = [
  ['nothing', 'SELECT 1', null],
  ['an entry removed', 'DELETE FROM audit_entries WHERE seq = 4', { seq: 4, problem: 'missing' }],
  ['an entry changed', "UPDATE audit_entries SET actor = 'key_9' WHERE seq = 4", { seq: 4, problem: 'changed' }],
  ['the middle cut out', 'DELETE FROM audit_entries WHERE seq BETWEEN 3 AND 6', { seq: 3, problem: 'missing' }],
  ['the tail cut off', 'DELETE FROM audit_entries WHERE seq > 8', { seq: 9, problem: 'tail_missing' }],
  ['all cut off', 'DELETE FROM audit_entries', { seq: 1, problem: 'tail_missing' }],
  [
    'two exchanged',
    'UPDATE audit_entries SET seq = -seq WHERE seq IN (4, 7); UPDATE audit_entries SET seq = 11 + seq WHERE seq < 0',
    { seq: 4, problem: 'unlinked' },
  ],
];

describe('an audit log in a file', () => {
  it.each(tamperings)('verified with %s', async (_, sql, broken) => {
    const directory = await bench.directory();
    const store = bench.closeLater(await openEmbeddedStore({ directory, clock }));
    await store.auditLog.append(Array.from({ length: 10 }, () => auditRecord('acme')));
    await store.close();
    const file = new DatabaseSync(join(directory, 'inkwell.db'));
    file.exec(sql);
    file.close();
    const { auditLog } = bench.closeLater(await openEmbeddedStore({ directory, clock }));
    expect((await verifyAuditLog(auditLog)).broken).toEqual(broken);
    await auditLog.append([auditRecord('acme')]);
    expect((await verifyAuditLog(auditLog)).broken).toEqual(
      // What comes after a cut doesn't fill it.
      broken && { ...broken, problem: 'tail_missing' in broken ? 'missing' : expect.any(String) },
    );
  });

  it('that was forged as a whole is found by a head noted elsewhere', async () => {
    const directory = await bench.directory();
    const { auditLog } = bench.closeLater(await openEmbeddedStore({ directory, clock }));
    await auditLog.append([auditRecord('acme'), auditRecord('acme')]);
    const noted = await auditLog.head();
    await auditLog.append([auditRecord('acme')]);
    expect((await verifyAuditLog(auditLog, noted)).broken).toBeNull();
    const forged = bench.closeLater(await openEmbeddedStore({ directory: await bench.directory(), clock }));
    await forged.auditLog.append(Array.from({ length: 3 }, () => auditRecord('acme')));
    expect((await verifyAuditLog(forged.auditLog)).broken).toBeNull();
    expect((await verifyAuditLog(forged.auditLog, noted)).broken).toEqual({ seq: 2, problem: 'head_differs' });
  });
});
