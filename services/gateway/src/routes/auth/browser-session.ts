import { InkwellError } from '@inkwell/contracts';
import { browserSessionSchema, loginSchema } from '@inkwell/contracts/http';
import { csrfToken, readSessionSecret, sameText } from '@inkwell/identity';
import { audited } from '../../audit/audit.ts';
import { checkPassword } from '../../auth/check-password.ts';
import { readSessionCookie } from '../../auth/session-cookie.ts';
import { endSession, signInWithCookie } from '../../auth/sign-in.ts';
import type { GatewayContext } from '../../context.ts';
import { toMeResource } from '../../delivery/user-resource.ts';
import { clientAddress } from '../../http/client-address.ts';
import { type Call, defineOperation, json, jsonAnswer } from '../../operation.ts';

/** A browser has one session: the one it still comes with ends when it signs in anew. */
async function endFormerSession(gateway: GatewayContext, call: Call): Promise<void> {
  const { config, identity, ports } = gateway;
  const held = readSessionSecret(identity.keyring, 'browser', readSessionCookie(call.request, config) ?? '');
  const session = held && (await ports.sessionStore.get(held.sessionId));
  if (!held || !session || session.revokedAt !== null || !sameText(session.secretHash, held.secretHash)) return;
  const { id, userId } = session;
  const actor = { kind: 'user', id: userId } as const;
  const act = { action: 'auth.session_revoked', actor, resource: `session/${id}`, once: id } as const;
  await audited(gateway, call, act, () => endSession(gateway, id));
}

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
    await endFormerSession(gateway, call);
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
