import { InkwellError } from '@inkwell/contracts';
import { browserSessionSchema, loginSchema } from '@inkwell/contracts/http';
import { csrfToken } from '@inkwell/identity';
import { checkPassword } from '../../auth/check-password.ts';
import { signInWithCookie } from '../../auth/sign-in.ts';
import { toMeResource } from '../../delivery/user-resource.ts';
import { clientAddress } from '../../http/client-address.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /api/auth/session`: signs the console in. JSON only, so that no form of another site can do it. */
export const createBrowserSession = defineOperation({
  id: 'createBrowserSession',
  method: 'post',
  path: '/api/auth/session',
  tag: 'Accounts',
  summary: 'Sign in with a cookie',
  access: 'open',
  limit: 'request',
  body: loginSchema,
  answers: { 200: jsonAnswer('Signed in; the cookie is set.', browserSessionSchema) },
  errors: ['invalid_credentials', 'too_many_attempts', 'dependency_unavailable'],
  async handle(call, gateway) {
    const { body, request } = call;
    const ip = clientAddress(request, gateway.config.trustedProxies);
    const user = await checkPassword(gateway, body.username, body.password, ip);
    return signInWithCookie(gateway, { user, method: 'password', by: call });
  },
});

/** `GET /api/auth/session`: what a page that was loaded anew needs to go on. */
export const getBrowserSession = defineOperation({
  id: 'getBrowserSession',
  method: 'get',
  path: '/api/auth/session',
  tag: 'Accounts',
  summary: 'The console’s session',
  access: 'person',
  scope: 'account',
  answers: { 200: jsonAnswer('Who is signed in, and the token for unsafe requests.', browserSessionSchema) },
  errors: ['not_found'],
  async handle({ caller }, { identity, ports }) {
    const session = caller.kind === 'session' ? await ports.sessionStore.get(caller.sessionId!) : undefined;
    const user = session && (await ports.userStore.get(session.userId));
    if (!session || !user)
      throw new InkwellError('not_found', { message: 'This request does not come with a cookie.' });
    return json(200, {
      user: toMeResource(user, caller.scopes),
      csrf_token: csrfToken(identity.keyring, session.id),
      expires_at: session.expiresAt / 1000,
    });
  },
});
