/**
 * The hash chain of the audit log. Each entry commits to its number, its content and the entry before, so that no entry can be removed,
 * changed, moved or inserted without a later hash ceasing to fit. Cutting off the tail leaves a chain that fits; the head, kept apart, shows it.
 */
import { createHash } from 'node:crypto';
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

function hashEntry(seq: number, previous: string, record: AuditRecord): string {
  return createHash('sha256')
    .update(canonicalForm(seq, previous, record))
    .digest('hex');
}

/** The entries that come after `head`, in this order. */
export function chainAfter(head: AuditHead, records: readonly AuditRecord[]): AuditEntry[] {
  let { seq, hash } = head;
  return records.map((record) => {
    const previous = hash;
    seq += 1;
    hash = hashEntry(seq, previous, record);
    return { ...record, seq, previous, hash };
  });
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
