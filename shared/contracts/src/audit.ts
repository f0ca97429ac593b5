/**
 * Audit events: who did what to which resource, from where, with which outcome. The actions are one closed table; a room that has a new
 * one adds a row. Nothing here may hold a secret or a text of a client's: names from tables, ids and numbers only.
 */
import { z } from 'zod';
import type { Fact } from './fact.ts';

interface AuditActionRow {
  /**
   * When the event is durable: `before` the act is done or the refusal answered, or `behind` the answer. Only what has a durable record of its
   * own may be `behind`.
   */
  readonly recorded: 'before' | 'behind';
  readonly description: string;
}

const before = (description: string): AuditActionRow => ({ recorded: 'before', description });
const behind = (description: string): AuditActionRow => ({ recorded: 'behind', description });

export const auditActions = {
  'auth.refused': before('A request was refused: its credential is missing, wrong or too weak.'),
  'auth.registered': before('A user registered, or was refused.'),
  'auth.login': before('A user signed in, or was refused.'),
  'auth.linked': before('An account was joined with the same person’s account elsewhere.'),
  'auth.password_changed': before('A user changed their password, or was refused.'),
  'auth.logout': before('A user signed out.'),
  'auth.refreshed': before('A session was refreshed.'),
  'auth.reuse_detected': before('A spent refresh token was shown again; its family was revoked.'),
  'auth.token_issued': before('A machine was given an access token.'),
  'auth.session_revoked': before('A session was revoked.'),
  'key.created': before('An API key was made.'),
  'key.rotated': before('An API key was replaced by a new one.'),
  'key.changed': before('What an API key may do was changed.'),
  'key.revoked': before('An API key was revoked.'),
  'job.created': behind('A job was accepted.'),
  'job.cancelled': behind('A job was cancelled.'),
  'policy.refused': before('The content policy refused a prompt or a text.'),
  'limit.refused': before(
    'A rate limit or budget refused a request; the gate for readings, once a minute for each caller.',
  ),
  'admin.user_changed': before('A user was changed: role, state or limits.'),
  'admin.worker_drained': before('A worker was asked to drain.'),
  'admin.worker_resumed': before('A worker was asked to work again.'),
  'admin.queue_paused': before('A queue was paused.'),
  'admin.queue_resumed': before('A queue was resumed.'),
  'admin.dead_letters_replayed': before('Dead letters were published again.'),
  'admin.dead_letters_purged': before('Dead letters were removed.'),
  'admin.limits_changed': before('Limits were changed.'),
  'admin.audit_exported': before('The audit log was exported.'),
} as const satisfies Record<string, AuditActionRow>;

export type AuditAction = keyof typeof auditActions;

const actionNames = Object.keys(auditActions) as [AuditAction, ...AuditAction[]];

/** `system`: nobody asked for it, or who did is not known any more. */
export const auditActorKinds = ['key', 'user', 'local', 'anonymous', 'system'] as const;

/** `failed`: it was allowed and recorded, and then could not be done. */
export const auditOutcomes = ['allowed', 'refused', 'failed'] as const;

const name = z.string().max(256);

export const auditEventSchema = z.strictObject({
  actor: z.strictObject({ kind: z.enum(auditActorKinds), id: name }),
  keyId: name.nullable(),
  tenant: name.nullable(),
  action: z.enum(actionNames),
  /** `job/…`, `key/…`, or the pattern of a route: `GET /v1/jobs/{id}`. */
  resource: name,
  outcome: z.enum(auditOutcomes),
  ip: name.nullable(),
  requestId: name.nullable(),
  /** Code of the error a refusal or failure was answered with, or id of the rule that refused. */
  reason: name.nullable(),
  /** More that is worth knowing: ids, names from tables, numbers. */
  details: z.record(z.string().regex(/^[a-z][a-zA-Z]{0,39}$/), z.union([name, z.number(), z.boolean()])),
});

export type AuditEvent = z.infer<typeof auditEventSchema>;

/** @param id what the act determines: `key.created:key_1`; the same act told again has the same */
export function auditFact(id: string, at: number, event: AuditEvent): Fact {
  return { version: 1, id: `audit:${id}`, kind: 'audit', subject: event.tenant ?? 'nobody', at, body: { ...event } };
}
