import { auditVerificationSchema, auditVerifyQuerySchema } from '@inkwell/contracts/http';
import { verifyAuditLog } from '@inkwell/ports';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/admin/audit/verify`: walks the whole chain. */
export const verifyAudit = defineOperation({
  id: 'verifyAudit',
  method: 'get',
  path: '/api/admin/audit/verify',
  tag: 'Audit',
  summary: 'Verify the audit log',
  description:
    'Walks the chain from its first entry. Note `head` elsewhere and hand it in later: then nobody can have altered anything up to it, even with everything else rewritten.',
  access: 'operator',
  scope: 'admin',
  query: auditVerifyQuerySchema,
  rules: [
    { param: 'hash', rule: 'goes together with seq' },
    { param: 'hash', code: 'missing_parameter', rule: 'goes together with seq' },
  ],
  answers: { 200: jsonAnswer('Whether the chain fits, and if not, where it breaks first.', auditVerificationSchema) },
  async handle({ query, gone }, gateway) {
    const { seq, hash } = query;
    const noted = seq === undefined || hash === undefined ? undefined : { seq, hash };
    const { head, broken } = await verifyAuditLog(gateway.ports.auditLog, noted, gone);
    return json(200, { object: 'audit.verification', valid: broken === null, head, broken });
  },
});
