import { audited } from '../../audit/audit.ts';
import { sessionCookie } from '../../auth/session-cookie.ts';
import { endSession } from '../../auth/sign-in.ts';
import { defineOperation } from '../../operation.ts';

/** `POST /api/auth/logout`: ends the session this request belongs to, with all its tokens, everywhere. */
export const logout = defineOperation({
  id: 'logout',
  method: 'post',
  path: '/api/auth/logout',
  tag: 'Accounts',
  summary: 'Sign out',
  access: 'person',
  answers: { 204: { description: 'Signed out: the tokens and the cookie of this session are void.' } },
  async handle(call, gateway) {
    const { caller } = call;
    const id = caller.sessionId!;
    call.outliveRevocation();
    const act = { action: 'auth.logout', resource: `session/${id}`, once: id } as const;
    await audited(gateway, call, act, () => endSession(gateway, id));
    const answer = { status: 204, contentType: 'application/json', body: '' };
    if (caller.kind !== 'session') return answer;
    // What the console kept in the browser goes as well.
    const headers = { 'clear-site-data': '"cache", "cookies", "storage"' };
    return { ...answer, headers, cookies: [sessionCookie(gateway.config, '')] };
  },
});
