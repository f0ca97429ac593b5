/**
 * The hash chain of the audit log. Each entry commits to its number, its content and the entry before, so that no entry can be removed,
 * changed, moved or inserted without a later hash ceasing to fit. Cutting off the tail leaves a chain that fits; the head, kept apart, shows it.
 */
import { hash as digest } from 'node:crypto';
import type { AuditEvent } from './audit.ts';

/** An event as it is handed to the log: with the id of its fact and its time (Unix milliseconds). */
export interface AuditRecord extends AuditEvent {
  factId: string;
  at: number;
}

export interface AuditEntry extends AuditRecord {
  /** From 1 without a gap. */
  seq: number;
  /** Hash of entry seq − 1; of the first, `chainStart`. */
  previous: string;
  /** SHA-256 (hex) over the canonical form. */
  hash: string;
}

/** A place in the chain, and what it was then. */
export interface AuditHead {
  seq: number;
  hash: string;
}

export const chainStart = '0'.repeat(64);
export const emptyHead: AuditHead = { seq: 0, hash: chainStart };

/** A JSON array of all fields in this order; details sorted by name. Written down so that others can verify an export. */
function canonicalForm(seq: number, previous: string, record: AuditRecord): string {
  const { factId, at, actor, keyId, tenant, action, resource, outcome, ip, requestId, reason, details } = record;
  const sorted = Object.entries(details).sort(([a], [b]) => (a < b ? -1 : 1));
  const who = [actor.kind, actor.id, keyId, tenant];
  return JSON.stringify([
    1,
    seq,
    previous,
    factId,
    at,
    ...who,
    action,
    resource,
    outcome,
    ip,
    requestId,
    reason,
    sorted,
  ]);
}

/** A canonical form read again, but for its version. */
type Canonical = [
  version: 1,
  ...place: [seq: number, previous: string],
  ...fact: [factId: string, at: number],
  ...who: [actorKind: AuditEvent['actor']['kind'], actor: string, keyId: string | null, tenant: string | null],
  ...what: [AuditEvent['action'], resource: string, AuditEvent['outcome']],
  ...where: [ip: string | null, requestId: string | null, reason: string | null],
  details: [string, string | number | boolean][],
];

function entryOf(form: Canonical, hash: string): AuditEntry {
  const [, seq, previous, factId, at, kind, id, keyId, tenant, action, resource, outcome, ...rest] = form;
  const [ip, requestId, reason, details] = rest;
  const who = { actor: { kind, id }, keyId, tenant };
  const what = { action, resource, outcome, ip, requestId, reason, details: Object.fromEntries(details) };
  return { factId, at, ...who, ...what, seq, previous, hash };
}

function hashText(canonical: string): string {
  return digest('sha256', canonical);
}

function hashEntry(seq: number, previous: string, record: AuditRecord): string {
  return hashText(canonicalForm(seq, previous, record));
}

/** What comes after `head`: of each record its place, and its canonical form. */
function linksAfter(head: AuditHead, records: readonly AuditRecord[]) {
  let { seq, hash } = head;
  return records.map((record) => {
    const previous = hash;
    seq += 1;
    const form = canonicalForm(seq, previous, record);
    hash = hashText(form);
    return { record, form, place: { seq, previous, hash } };
  });
}

/** The entries that come after `head`, in this order. */
export function chainAfter(head: AuditHead, records: readonly AuditRecord[]): AuditEntry[] {
  return linksAfter(head, records).map(({ record, place }) => ({ ...record, ...place }));
}

/** A piece of the chain as it is hashed: its text, and the place behind it. */
export interface ChainPiece {
  /** A JSON array of canonical forms. */
  text: string;
  last: AuditHead;
}

/** The piece that comes after `head`: these records, at least one, in this order. */
export function chainPiece(head: AuditHead, records: readonly AuditRecord[]): ChainPiece {
  const links = linksAfter(head, records);
  const { seq, hash } = links.at(-1)!.place;
  return { text: `[${links.map(({ form }) => form).join(',')}]`, last: { seq, hash } };
}

/**
 * The entries of a piece. The hash of each is what the next one says it is; behind a gap nobody says, so that the walk finds the gap and not
 * what stands before it. A text that somebody made unreadable has no entries: they are missing.
 */
export function readChainPiece({ text, last }: ChainPiece): AuditEntry[] {
  try {
    const forms = JSON.parse(text) as Canonical[];
    return forms.map((form, index) => {
      const [, seq] = form;
      const [, nextSeq, previousOfNext] = forms[index + 1] ?? [1, last.seq + 1, last.hash];
      return entryOf(form, nextSeq === seq + 1 ? previousOfNext : hashText(JSON.stringify(form)));
    });
  } catch {
    return [];
  }
}

export interface ChainBreak {
  /** The first place that doesn't fit. */
  seq: number;
  problem: 'missing' | 'changed' | 'unlinked' | 'head_differs' | 'tail_missing';
}

/** Walks a chain an entry at a time, from the first, and remembers the first place that doesn't fit. */
export class ChainWalk {
  #at: AuditHead = emptyHead;
  #broken: ChainBreak | null = null;
  readonly #heads: readonly AuditHead[];

  /** @param heads places known from elsewhere, which the chain must have as they were */
  constructor(heads: readonly AuditHead[] = []) {
    this.#heads = heads;
    for (const head of heads) if (head.seq === 0 && head.hash !== chainStart) this.#break(0, 'head_differs');
  }

  /** How far it fits so far. */
  get head(): AuditHead {
    return this.#at;
  }

  /** False once the chain is broken; what comes after says nothing more. */
  step(entry: AuditEntry): boolean {
    if (this.#broken !== null) return false;
    const seq = this.#at.seq + 1;
    if (entry.seq !== seq) return this.#break(seq, 'missing');
    if (entry.previous !== this.#at.hash) return this.#break(seq, 'unlinked');
    if (entry.hash !== hashEntry(entry.seq, entry.previous, entry)) return this.#break(seq, 'changed');
    this.#at = { seq, hash: entry.hash };
    const known = this.#heads.find((head) => head.seq === seq);
    if (known !== undefined && known.hash !== entry.hash) return this.#break(seq, 'head_differs');
    return true;
  }

  /** After the last entry. Null: everything fits. */
  end(): ChainBreak | null {
    const furthest = Math.max(0, ...this.#heads.map(({ seq }) => seq));
    if (this.#broken === null && furthest > this.#at.seq) this.#break(this.#at.seq + 1, 'tail_missing');
    return this.#broken;
  }

  #break(seq: number, problem: ChainBreak['problem']): false {
    this.#broken ??= { seq, problem };
    return false;
  }
}
