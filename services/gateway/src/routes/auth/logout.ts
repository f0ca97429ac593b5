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
  async handle({ caller, outliveRevocation }, gateway) {
    outliveRevocation();
    await endSession(gateway, caller.sessionId!);
    const cookies = caller.kind === 'session' ? [sessionCookie(gateway.config, '')] : undefined;
    return { status: 204, cookies, contentType: 'application/json', body: '' };
  },
});
