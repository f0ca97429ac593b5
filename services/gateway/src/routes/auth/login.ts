import { loginSchema, tokensSchema } from '@inkwell/contracts/http';
import { checkPassword } from '../../auth/check-password.ts';
import { signInWithTokens } from '../../auth/sign-in.ts';
import { clientAddress } from '../../http/client-address.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /api/auth/login`: a password for an access and a refresh token. */
export const login = defineOperation({
  id: 'login',
  method: 'post',
  path: '/api/auth/login',
  tag: 'Accounts',
  summary: 'Sign in with a password',
  description: 'After some wrong passwords the next try from the same address has to wait, longer each time.',
  access: 'open',
  limit: 'request',
  body: loginSchema,
  bodyTypes: ['json', 'form'],
  answers: { 200: jsonAnswer('The tokens.', tokensSchema) },
  errors: ['invalid_credentials', 'too_many_attempts', 'insufficient_scope', 'dependency_unavailable'],
  async handle(call, gateway) {
    const { body, request } = call;
    const ip = clientAddress(request, gateway.config.trustedProxies);
    const user = await checkPassword(gateway, body.username, body.password, ip);
    return json(200, await signInWithTokens(gateway, { user, method: 'password', by: call }, body.scope));
  },
});
