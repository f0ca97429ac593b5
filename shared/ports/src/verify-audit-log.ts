/** Walks the whole audit log and says whether it fits, and if not, where it breaks first. Reads in pages, so that it may be long. */
import { type AuditHead, type ChainBreak, ChainWalk } from '@inkwell/contracts';
import type { AuditLog } from './audit-log.ts';

export interface AuditVerification {
  /** The last place that fits. */
  head: AuditHead;
  /** Null: everything fits. */
  broken: ChainBreak | null;
}

const pageSize = 500;

/** @param noted a head noted earlier, elsewhere: finds also a chain that was forged as a whole */
export async function verifyAuditLog(
  log: AuditLog,
  noted?: AuditHead,
  signal?: AbortSignal,
): Promise<AuditVerification> {
  const head = await log.head();
  const walk = new ChainWalk(noted === undefined ? [head] : [head, noted]);
  for (let afterSeq = 0; ; ) {
    signal?.throwIfAborted();
    const page = await log.read({}, { afterSeq, limit: pageSize });
    for (const entry of page) if (!walk.step(entry)) return { head: walk.head, broken: walk.end() };
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return { head: walk.head, broken: walk.end() };
    afterSeq = last.seq;
    // Let requests in between.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
