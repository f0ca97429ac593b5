import { InkwellError } from '@inkwell/contracts';
import { githubCallbackQuerySchema, tokensSchema } from '@inkwell/contracts/http';
import { linkAccount } from '@inkwell/identity';
import { audited, type By } from '../../audit/audit.ts';
import { createAccount } from '../../auth/create-account.ts';
import { usesTls } from '../../auth/session-cookie.ts';
import { signInWithCookie, signInWithTokens } from '../../auth/sign-in.ts';
import type { GatewayConfig } from '../../config.ts';
import type { GatewayContext } from '../../context.ts';
import { cookie, readCookie } from '../../http/cookies.ts';
import { defineOperation, json } from '../../operation.ts';

const cookieName = (config: GatewayConfig) => (usesTls(config) ? '__Secure-inkwell_oauth' : 'inkwell_oauth');

/** `Lax`, since it must come along when GitHub sends the browser back. */
function oauthCookie(config: GatewayConfig, value: string): string {
  const maxAgeSeconds = value === '' ? 0 : 600;
  const path = '/api/auth/callback/github';
  return cookie(cookieName(config), value, { maxAgeSeconds, path, secure: usesTls(config), sameSite: 'Lax' });
}

function githubOf({ identity }: GatewayContext) {
  if (identity.github) return identity.github;
  throw new InkwellError('not_found', { message: 'Signing in through GitHub is not set up here.' });
}

/** The accounts, with what linking changes in them recorded before it is done. */
function auditedUsers(gateway: GatewayContext, by: By): Parameters<typeof linkAccount>[0] {
  const { userStore } = gateway.ports;
  return {
    findByGithubId: (id) => userStore.findByGithubId(id),
    findByUsername: (username) => userStore.findByUsername(username),
    findByVerifiedEmail: (email) => userStore.findByVerifiedEmail(email),
    create: (user) => createAccount(gateway, by, user, 'github'),
    update: (id, patch, expected) =>
      audited(gateway, by, { action: 'auth.linked', resource: `user/${id}` }, () =>
        userStore.update(id, patch, expected),
      ),
  };
}

/** `GET /api/auth/login/github`: off to GitHub. */
export const githubLogin = defineOperation({
  id: 'githubLogin',
  method: 'get',
  path: '/api/auth/login/github',
  tag: 'Accounts',
  summary: 'Sign in through GitHub',
  access: 'open',
  limit: 'request',
  answers: { 302: { description: 'To GitHub, with `state` and a PKCE challenge.' } },
  errors: ['not_found'],
  async handle(_call, gateway) {
    const { url, cookie: sealed } = await githubOf(gateway).begin();
    const cookies = [oauthCookie(gateway.config, sealed)];
    return { status: 302, headers: { location: url }, cookies, contentType: 'text/plain', body: '' };
  },
});

/** `GET /api/auth/callback/github`: back from GitHub. */
export const githubCallback = defineOperation({
  id: 'githubCallback',
  method: 'get',
  path: '/api/auth/callback/github',
  tag: 'Accounts',
  summary: 'Come back from GitHub',
  description: 'A browser gets the console’s cookie and is sent to it; a client that asks for JSON gets tokens.',
  access: 'open',
  limit: 'request',
  query: githubCallbackQuerySchema,
  answers: {
    200: { description: 'The tokens.', content: { 'application/json': tokensSchema } },
    303: { description: 'Signed in, on to the console.' },
  },
  errors: ['sign_in_failed', 'registration_closed', 'not_found', 'dependency_unavailable'],
  async handle(call, gateway) {
    const { query, request } = call;
    const { clock, config } = gateway;
    const identity = await githubOf(gateway).finish(query, readCookie(request, cookieName(config)));
    const linked = await linkAccount(auditedUsers(gateway, call), identity, config.openRegistration, clock.now());
    if (linked.outcome === 'refused') throw new InkwellError('registration_closed');
    const { user } = linked;
    if (user.disabledAt !== null) {
      throw new InkwellError('sign_in_failed', { note: { resource: `user/${user.id}`, tenant: user.tenant } });
    }
    const signIn = { user, method: 'github', by: call } as const;
    const spent = oauthCookie(config, '');
    if (!String(request.headers.accept ?? '').includes('text/html')) {
      return { ...json(200, await signInWithTokens(gateway, signIn)), cookies: [spent] };
    }
    const { cookies = [] } = await signInWithCookie(gateway, signIn);
    return {
      status: 303,
      headers: { location: '/console' },
      cookies: [spent, ...cookies],
      contentType: 'text/plain',
      body: '',
    };
  },
});
