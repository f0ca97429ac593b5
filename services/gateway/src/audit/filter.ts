/** From the query of an audit route to the log's filter. */
import type { auditFilterSchema } from '@inkwell/contracts/http';
import type { AuditFilter } from '@inkwell/ports';
import type { z } from 'zod';

type Query = z.output<typeof auditFilterSchema>;

export function auditFilterOf({ tenant, actor, key, action, outcome, start, end }: Query): AuditFilter {
  return {
    tenant,
    actor,
    keyId: key,
    action,
    outcome,
    from: start === undefined ? undefined : start * 1000,
    before: end === undefined ? undefined : end * 1000,
  };
}
