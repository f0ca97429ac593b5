/**
 * Recording what callers do. An act is recorded before it is done and a refusal before it is answered, so what cannot be recorded is not done:
 * the caller gets `dependency_unavailable`. Events hold ids and names from tables only; never hand in what a client wrote.
 */
import { randomUUID } from 'node:crypto';
import { type AuditAction, type AuditEvent, auditFact, InkwellError } from '@inkwell/contracts';
import type { Caller } from '../auth/caller.ts';
import type { GatewayContext } from '../context.ts';
import { clientAddress } from '../http/client-address.ts';
import type { Call } from '../operation.ts';
import { actorOf } from './actor.ts';

export interface AuditedAct {
  action: AuditAction;
  /** `key/key_1`, `job/job_1`, or a route's pattern. */
  resource: string;
  /** Who acts, where the request alone doesn't say: somebody who is just signing in. */
  actor?: AuditEvent['actor'];
  /** Whose resource it is; the caller's tenant when left out. */
  tenant?: string;
  outcome?: AuditEvent['outcome'];
  /** Code of the error, or id of the rule. */
  reason?: string | null;
  details?: AuditEvent['details'];
  /** What makes the act one of a kind: the same act recorded again is the same event. Left out, every call is an act of its own. */
  once?: string;
}

export type By = Pick<Call, 'request' | 'requestId'> & { caller: Caller | undefined };

const anonymous: AuditEvent['actor'] = { kind: 'anonymous', id: 'anonymous' };

function eventOf({ config }: GatewayContext, { caller, request, requestId }: By, act: AuditedAct): AuditEvent {
  return {
    actor: act.actor ?? (caller === undefined ? anonymous : actorOf(caller)),
    keyId: caller?.keyId || null,
    tenant: act.tenant ?? (caller?.tenant || null),
    action: act.action,
    resource: act.resource,
    outcome: act.outcome ?? 'allowed',
    ip: clientAddress(request, config.trustedProxies) || null,
    requestId,
    reason: act.reason ?? null,
    details: act.details ?? {},
  };
}

function factOf(gateway: GatewayContext, by: By, act: AuditedAct) {
  return auditFact(`${act.action}:${act.once ?? randomUUID()}`, gateway.clock.now(), eventOf(gateway, by, act));
}

/** Resolves when the event is durable. @throws InkwellError `dependency_unavailable` */
export async function audit(gateway: GatewayContext, by: By, act: AuditedAct): Promise<void> {
  await gateway.trail.publish(factOf(gateway, by, act));
}

/** Records an act that is done, behind its answer: whoever does such an act asks `trail.ensureRoom` first. */
export function auditBehind(gateway: GatewayContext, by: By, act: AuditedAct): void {
  gateway.trail.publishBehind(factOf(gateway, by, act));
}

/** Records the act, then does it. An act that fails afterwards is told of by a second event, and its error by no further one. */
export async function audited<T>(gateway: GatewayContext, by: By, act: AuditedAct, work: () => Promise<T>): Promise<T> {
  await audit(gateway, by, act);
  try {
    return await work();
  } catch (thrown) {
    const reason = thrown instanceof InkwellError ? thrown.code : 'internal_error';
    const once = act.once && `${act.once}:failed`;
    auditBehind(gateway, by, { ...act, once, outcome: 'failed', reason });
    if (thrown instanceof InkwellError) thrown.note = 'told';
    throw thrown;
  }
}
