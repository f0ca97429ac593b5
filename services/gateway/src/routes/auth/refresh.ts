import { refreshSchema, tokensSchema } from '@inkwell/contracts/http';
import { refreshTokens } from '../../auth/sign-in.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /api/auth/refresh`: the next pair of tokens. The one brought is spent; bringing it again ends the session. */
export const refresh = defineOperation({
  id: 'refresh',
  method: 'post',
  path: '/api/auth/refresh',
  tag: 'Accounts',
  summary: 'Renew the tokens',
  description: 'Each refresh token is good for one use. An old one that comes back revokes the whole session.',
  access: 'open',
  limit: 'request',
  body: refreshSchema,
  bodyTypes: ['json', 'form'],
  answers: { 200: jsonAnswer('The tokens.', tokensSchema) },
  errors: ['invalid_token', 'dependency_unavailable'],
  async handle(call, gateway) {
    return json(200, await refreshTokens(gateway, call, call.body.refresh_token));
  },
});
