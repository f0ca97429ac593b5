import { InkwellError } from '@inkwell/contracts';
import { callerSchema } from '@inkwell/contracts/http';
import { toMeResource } from '../../delivery/user-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/auth/me` */
export const me = defineOperation({
  id: 'me',
  method: 'get',
  path: '/api/auth/me',
  tag: 'Accounts',
  summary: 'Who you are',
  access: 'person',
  scope: 'account',
  answers: { 200: jsonAnswer('Your account, and what this session may do.', callerSchema) },
  async handle({ caller }, { ports }) {
    const user = await ports.userStore.get(caller.userId!);
    if (!user) throw new InkwellError('invalid_token');
    return json(200, toMeResource(user, caller.scopes));
  },
});
