import { auditListQuerySchema, auditListSchema } from '@inkwell/contracts/http';
import { auditFilterOf } from '../../audit/filter.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

const defaultLimit = 50;

/** `GET /api/admin/audit`: who did what, newest first. */
export const listAudit = defineOperation({
  id: 'listAudit',
  method: 'get',
  path: '/api/admin/audit',
  tag: 'Audit',
  summary: 'Read the audit log',
  access: 'operator',
  scope: 'admin',
  query: auditListQuerySchema,
  answers: { 200: jsonAnswer('A page of entries, newest first.', auditListSchema) },
  async handle({ query }, gateway) {
    const limit = query.limit ?? defaultLimit;
    const page = { limit: limit + 1, beforeSeq: query.cursor };
    const entries = await gateway.ports.auditLog.list(auditFilterOf(query), page);
    const data = entries.slice(0, limit);
    const hasMore = entries.length > limit;
    const next = hasMore ? String(data.at(-1)!.seq) : null;
    return json(200, { object: 'list', data, has_more: hasMore, next_cursor: next });
  },
});
