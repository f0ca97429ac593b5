/** What each projection needs of a batch of facts. Pure; facts that cannot be read are passed by and named. */
import {
  type AuditEvent,
  type AuditRecord,
  creationOfEnded,
  type Fact,
  type JobEnded,
  readFact,
} from '@inkwell/contracts';
import type { NewWebhook } from '@inkwell/ports';
import { webhookOf } from './webhooks/webhook-message.ts';

export interface SortedFacts {
  audit: AuditRecord[];
  ended: JobEnded[];
  webhooks: NewWebhook[];
  unreadable: Fact[];
}

/** The event of the job's creation as well: should its gateway have died before it was told, it is not missing then. */
function creationOf(ended: JobEnded): AuditRecord {
  const { id, at, body } = creationOfEnded(ended);
  return { ...(body as unknown as AuditEvent), factId: id, at };
}

/** @param now when they are seen, Unix milliseconds */
export function sortFacts(facts: readonly Fact[], now: number): SortedFacts {
  const sorted: SortedFacts = { audit: [], ended: [], webhooks: [], unreadable: [] };
  for (const fact of facts) {
    const read = readFact(fact);
    // Kinds of a newer version are for newer recorders.
    if (read === 'unknown') continue;
    if (read === 'invalid') sorted.unreadable.push(fact);
    else if (read.kind === 'audit') sorted.audit.push({ ...read.body, factId: read.id, at: read.at });
    else {
      const { webhook: _, ...ended } = read.body;
      // The address may hold a secret of its receiver's: history does not need it.
      sorted.ended.push(ended);
      const webhook = webhookOf(read.body, now);
      if (webhook) sorted.webhooks.push(webhook);
      sorted.audit.push(creationOf(read.body));
    }
  }
  return sorted;
}
