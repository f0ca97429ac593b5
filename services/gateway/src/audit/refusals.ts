/** Refusals that are acts of their own in the audit log, recognised by the code they are answered with, or named by the error's note. */

import { type AuditAction, type ErrorCode, InkwellError } from '@inkwell/contracts';
import type { Request, Response } from 'express';
import type { Caller } from '../auth/caller.ts';
import type { GatewayContext } from '../context.ts';
import { audit } from './audit.ts';

const refusals: Partial<Record<ErrorCode, AuditAction>> = {
  missing_api_key: 'auth.refused',
  invalid_api_key: 'auth.refused',
  invalid_token: 'auth.refused',
  invalid_signature: 'auth.refused',
  address_not_allowed: 'auth.refused',
  csrf_token_invalid: 'auth.refused',
  invalid_credentials: 'auth.login',
  sign_in_failed: 'auth.login',
  too_many_attempts: 'auth.login',
  insufficient_scope: 'auth.refused',
  https_required: 'auth.refused',
  registration_closed: 'auth.registered',
  username_taken: 'auth.registered',
  content_policy_violation: 'policy.refused',
  rate_limit_exceeded: 'limit.refused',
  token_limit_exceeded: 'limit.refused',
  budget_exceeded: 'limit.refused',
  tenant_queue_full: 'limit.refused',
};

/** Answers the error to answer with: the same, or `dependency_unavailable` when the refusal could not be recorded. */
export async function recordRefusal(
  gateway: GatewayContext,
  request: Request,
  response: Response,
  error: InkwellError,
): Promise<InkwellError> {
  const { code, note = {} } = error;
  if (note === 'told' || response.headersSent) return error;
  const action = note.action ?? refusals[code];
  if (action === undefined) return error;
  const { requestId, route, caller } = response.locals as { requestId: string; route?: string; caller?: Caller };
  try {
    const ofRoute = { resource: `${request.method} ${route ?? 'none'}`, reason: code };
    const act = { ...ofRoute, ...note, action, outcome: 'refused' } as const;
    await audit(gateway, { request, requestId, caller }, act);
    return error;
  } catch (cause) {
    return cause instanceof InkwellError ? cause : new InkwellError('dependency_unavailable', { cause });
  }
}
