/**
 * The audit log: append-only, each entry chained to the one before (audit-chain.ts in the contracts says how). Promises: an event is
 * appended once however often it is handed in, and by however many recorders at a time; numbers have no gap; what `append` answered is
 * durable. Not promised: that the storage cannot be altered behind its back; `verifyAuditLog` finds that.
 */
import type { AuditAction, AuditEntry, AuditHead, AuditRecord } from '@inkwell/contracts';

/** All that are given must match. Times are Unix milliseconds. */
export interface AuditFilter {
  tenant?: string;
  /** Id of the actor. */
  actor?: string;
  keyId?: string;
  action?: AuditAction;
  outcome?: AuditEntry['outcome'];
  /** From this time on. */
  from?: number;
  /** Before this time. */
  before?: number;
}

export interface AuditLog {
  /** In this order, those that aren't there yet (by fact id). */
  append(records: readonly AuditRecord[]): Promise<void>;
  /** Newest first, 1…1000 entries; `beforeSeq` continues after the last entry of the page before. */
  list(filter: AuditFilter, page: { limit: number; beforeSeq?: number }): Promise<AuditEntry[]>;
  /** Oldest first, 1…1000 entries whose number is above `afterSeq`. */
  read(filter: AuditFilter, page: { limit: number; afterSeq: number }): Promise<AuditEntry[]>;
  /** The newest entry as noted apart from the entries; it may lag behind them by what is being appended. */
  head(): Promise<AuditHead>;
}
