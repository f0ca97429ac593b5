/** Whatever is done to a chain behind its back is found, and at the first place that doesn't fit. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  type AuditEntry,
  type AuditHead,
  type AuditRecord,
  ChainWalk,
  chainAfter,
  chainPiece,
  chainStart,
  emptyHead,
  readChainPiece,
} from './audit-chain.ts';

function record(index: number): AuditRecord {
  return {
    factId: `audit:${index}`,
    at: 1_700_000_000_000 + index,
    actor: { kind: 'key', id: `key_${index}` },
    keyId: `key_${index}`,
    tenant: 'acme',
    action: 'key.created',
    resource: `key/${index}`,
    outcome: 'allowed',
    ip: null,
    requestId: `req_${index}`,
    reason: null,
    details: { role: 'user', count: index },
  };
}

const whole = chainAfter(
  emptyHead,
  Array.from({ length: 10 }, (_, index) => record(index + 1)),
);
const head: AuditHead = { seq: 10, hash: whole[9]!.hash };

function walk(entries: readonly AuditEntry[], heads: readonly AuditHead[] = [head]) {
  const walked = new ChainWalk(heads);
  for (const entry of entries) walked.step(entry);
  return { head: walked.head, broken: walked.end() };
}

const edit = (seq: number, changes: Partial<AuditEntry>) =>
  whole.map((entry) => (entry.seq === seq ? { ...entry, ...changes } : entry));

/** Renumbers and chains anew, as somebody would who knows how it is done. */
const forged = (entries: readonly AuditEntry[]) => chainAfter(emptyHead, entries);

const tamperings: [string, AuditEntry[], object][] = [
  ['an entry is removed', whole.filter(({ seq }) => seq !== 4), { seq: 4, problem: 'missing' }],
  ['the first is removed', whole.slice(1), { seq: 1, problem: 'missing' }],
  ['a stretch in the middle is cut out', [...whole.slice(0, 3), ...whole.slice(6)], { seq: 4, problem: 'missing' }],
  ['the tail is cut off', whole.slice(0, 8), { seq: 9, problem: 'tail_missing' }],
  ['everything is cut off', [], { seq: 1, problem: 'tail_missing' }],
  ['an outcome is changed', edit(5, { outcome: 'refused' }), { seq: 5, problem: 'changed' }],
  ['a detail is changed', edit(5, { details: { role: 'user', count: 6 } }), { seq: 5, problem: 'changed' }],
  ['a detail is added', edit(5, { details: { role: 'user', count: 5, more: true } }), { seq: 5, problem: 'changed' }],
  ['an address is put in', edit(10, { ip: '10.0.0.1' }), { seq: 10, problem: 'changed' }],
  [
    'text moves from one field to the next',
    edit(5, { keyId: 'key_5acme', tenant: '' }),
    { seq: 5, problem: 'changed' },
  ],
  ['two change places', whole.with(2, whole[5]!).with(5, whole[2]!), { seq: 3, problem: 'missing' }],
  [
    'two change places and numbers',
    whole.with(2, { ...whole[5]!, seq: 3 }).with(5, { ...whole[2]!, seq: 6 }),
    { seq: 3, problem: 'unlinked' },
  ],
  ['one is repeated', [...whole.slice(0, 5), whole[4]!, ...whole.slice(5)], { seq: 6, problem: 'missing' }],
  [
    'one is changed and hashed anew',
    [...whole.slice(0, 4), ...chainAfter(whole[3]!, [{ ...record(5), outcome: 'refused' }]), ...whole.slice(5)],
    { seq: 6, problem: 'unlinked' },
  ],
  [
    'one is left out and everything behind it chained anew',
    forged(whole.filter(({ seq }) => seq !== 4)),
    { seq: 10, problem: 'tail_missing' },
  ],
  [
    'one is changed and everything behind it chained anew',
    forged(edit(4, { outcome: 'refused' })),
    { seq: 10, problem: 'head_differs' },
  ],
];

describe('the audit chain', () => {
  it('fits as it was made, also without a head, and may be longer than the head says', () => {
    expect(walk(whole)).toEqual({ head, broken: null });
    expect(walk(whole, [])).toEqual({ head, broken: null });
    expect(walk(whole, [emptyHead, { seq: 7, hash: whole[6]!.hash }]).broken).toBeNull();
    expect(walk([], [emptyHead])).toEqual({ head: emptyHead, broken: null });
  });

  it.each(tamperings)('is broken when %s', (_, entries, found) => {
    expect(walk(entries).broken).toEqual(found);
  });

  it('is broken when the head itself was made up', () => {
    expect(walk(whole, [{ seq: 5, hash: 'f'.repeat(64) }]).broken).toEqual({ seq: 5, problem: 'head_differs' });
    expect(walk(whole, [{ seq: 0, hash: 'f'.repeat(64) }]).broken).toEqual({ seq: 0, problem: 'head_differs' });
  });

  it('hashes the canonical form that is written down, whatever the order of an object’s members', () => {
    const { details, ...rest } = record(1);
    const [entry] = chainAfter(emptyHead, [{ details: { count: 1, role: details.role! }, ...rest }]);
    const form = `[1,1,"${chainStart}","audit:1",1700000000001,"key","key_1","key_1","acme","key.created","key/1","allowed",null,"req_1",null,[["count",1],["role","user"]]]`;
    expect(entry!.hash).toBe(createHash('sha256').update(form).digest('hex'));
    expect(entry!.hash).toBe(whole[0]!.hash);
  });
});

describe('a piece of the chain', () => {
  const records = Array.from({ length: 6 }, (_, index) => record(index + 5));
  const from: AuditHead = { seq: 4, hash: whole[3]!.hash };

  it('has the entries that chaining one by one makes, and goes on from any place', () => {
    const piece = chainPiece(from, records);
    expect(readChainPiece(piece)).toEqual(whole.slice(4));
    expect(piece.last).toEqual(head);
    const [start, end] = [chainPiece(from, records.slice(0, 2)), chainPiece(whole[5]!, records.slice(2))];
    expect([...readChainPiece(start), ...readChainPiece(end)]).toEqual(whole.slice(4));
  });

  it.each(['', '{}', '[1]', '[[]]', '[[1,5,"",""]]', '[null]'])(
    'has no entries if somebody made its text %j',
    (text) => {
      expect(readChainPiece({ text, last: head })).toEqual([]);
    },
  );
});
