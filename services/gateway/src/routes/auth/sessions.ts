import { InkwellError } from '@inkwell/contracts';
import { sessionIdSchema, sessionListSchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { audited } from '../../audit/audit.ts';
import { endSession } from '../../auth/sign-in.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/auth/sessions`: where you are signed in. */
export const listSessions = defineOperation({
  id: 'listSessions',
  method: 'get',
  path: '/api/auth/sessions',
  tag: 'Accounts',
  summary: 'List your sessions',
  access: 'person',
  scope: 'account',
  answers: { 200: jsonAnswer('Sessions that can still be used, newest first.', sessionListSchema) },
  async handle({ caller }, { clock, ports }) {
    const sessions = await ports.sessionStore.listLive(caller.userId!, clock.now());
    const data = sessions.map((session) => ({
      id: session.id,
      object: 'session' as const,
      kind: session.kind,
      current: session.id === caller.sessionId,
      created_at: session.createdAt / 1000,
      last_used_at: session.lastUsedAt / 1000,
      expires_at: session.expiresAt / 1000,
      ip: session.ip,
      user_agent: session.userAgent,
    }));
    return json(200, { object: 'list', data });
  },
});

/** `DELETE /api/auth/sessions/{id}`: signs that session out, everywhere at once. */
export const revokeSession = defineOperation({
  id: 'revokeSession',
  method: 'delete',
  path: '/api/auth/sessions/{id}',
  tag: 'Accounts',
  summary: 'Revoke a session',
  access: 'person',
  scope: 'account',
  params: z.object({ id: sessionIdSchema }),
  answers: { 204: { description: 'Revoked.' } },
  errors: ['not_found'],
  async handle(call, gateway) {
    const { caller, params } = call;
    call.outliveRevocation();
    const session = await gateway.ports.sessionStore.get(params.id);
    const missing = () => new InkwellError('not_found', { message: 'There is no such session, or it has ended.' });
    if (session?.userId !== caller.userId) throw missing();
    const revoke = async () => {
      if (!(await endSession(gateway, params.id))) throw missing();
    };
    const act = { action: 'auth.session_revoked', resource: `session/${params.id}`, once: params.id } as const;
    await (session.revokedAt === null ? audited(gateway, call, act, revoke) : revoke());
    return { status: 204, contentType: 'application/json', body: '' };
  },
});
