/** `/api/admin/audit`: reading, exporting and verifying the audit log. */
import { z } from 'zod';
import { type AuditAction, auditActions, auditActorKinds, auditOutcomes } from '../audit.ts';
import { maxQueryInteger, queryInteger, querySeconds } from './query.ts';
import { textOf } from './text.ts';

const action = z.enum(Object.keys(auditActions) as [AuditAction, ...AuditAction[]]);
const seqNumber = queryInteger(0, maxQueryInteger);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');

export const auditFilterSchema = z.strictObject({
  tenant: textOf(1, 63).optional(),
  actor: textOf(1, 256).optional().meta({ description: 'Id of who did it: a user, a key, `anonymous`.' }),
  key: textOf(1, 256).optional().meta({ description: 'Id of the API key that was used.' }),
  action: action.optional(),
  outcome: z.enum(auditOutcomes).optional(),
  start: querySeconds.optional().meta({ description: 'Unix seconds.' }),
  end: querySeconds.optional().meta({ description: 'Unix seconds, not included.' }),
});

export const auditListQuerySchema = auditFilterSchema.extend({
  limit: queryInteger(1, 100).optional().meta({ description: 'Default 50.' }),
  cursor: seqNumber.optional().meta({ description: '`next_cursor` of the page before.' }),
});

export const auditEntrySchema = z
  .object({
    seq: z.int().meta({ description: 'Number in the chain, from 1 without a gap.' }),
    previous: z.string().meta({ description: 'Hash of the entry before.' }),
    hash: z.string().meta({ description: 'SHA-256 over number, previous hash and content.' }),
    factId: z.string(),
    at: z.number().meta({ description: 'Unix milliseconds.' }),
    actor: z.object({ kind: z.enum(auditActorKinds), id: z.string() }),
    keyId: z.string().nullable(),
    tenant: z.string().nullable(),
    action,
    resource: z.string(),
    outcome: z.enum(auditOutcomes),
    ip: z.string().nullable(),
    requestId: z.string().nullable(),
    reason: z.string().nullable(),
    details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  })
  .meta({ id: 'AuditEntry', description: 'As it is in the chain, so that it can be verified.' });

export const auditListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(auditEntrySchema),
    has_more: z.boolean(),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'AuditList' });

export const auditVerifyQuerySchema = z
  .strictObject({
    seq: seqNumber.optional().meta({ description: 'Of a head noted earlier; with `hash`.' }),
    hash: sha256.optional(),
  })
  .refine(({ seq, hash }) => (seq === undefined) === (hash === undefined), {
    path: ['hash'],
    error: 'give seq and hash together',
  });

export const auditVerificationSchema = z
  .object({
    object: z.literal('audit.verification'),
    valid: z.boolean(),
    head: z
      .object({ seq: z.int(), hash: z.string() })
      .meta({ description: 'The last place that fits. Note it elsewhere.' }),
    broken: z
      .object({
        seq: z.int(),
        problem: z.enum(['missing', 'changed', 'unlinked', 'head_differs', 'tail_missing']),
      })
      .nullable()
      .meta({ description: 'The first place that does not fit.' }),
  })
  .meta({ id: 'AuditVerification' });
