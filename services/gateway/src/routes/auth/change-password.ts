import { InkwellError } from '@inkwell/contracts';
import { passwordChangeSchema } from '@inkwell/contracts/http';
import { passwordProblem } from '@inkwell/identity';
import { audited } from '../../audit/audit.ts';
import { checkPassword } from '../../auth/check-password.ts';
import { endOtherSessions } from '../../auth/sign-in.ts';
import { clientAddress } from '../../http/client-address.ts';
import { defineOperation } from '../../operation.ts';

/** `POST /api/auth/password`: another password for the current one. Whoever knows only the old one is signed out: every other session ends. */
export const changePassword = defineOperation({
  id: 'changePassword',
  method: 'post',
  path: '/api/auth/password',
  tag: 'Accounts',
  summary: 'Change your password',
  description: 'Ends every session but this one. API keys stay as they are.',
  access: 'person',
  scope: 'account',
  limit: 'request',
  body: passwordChangeSchema,
  answers: { 204: { description: 'Changed.' } },
  errors: ['invalid_credentials', 'too_many_attempts'],
  async handle(call, gateway) {
    const { body, caller, request } = call;
    const { config, identity, ports } = gateway;
    const id = caller.userId!;
    const user = await ports.userStore.get(id);
    if (!user) throw new InkwellError('invalid_token');
    const problem = passwordProblem(body.new_password, user.username);
    if (problem) {
      throw new InkwellError('invalid_parameter', { param: 'new_password', message: `new_password: ${problem}` });
    }
    const ip = clientAddress(request, config.trustedProxies);
    const checked = await checkPassword(gateway, user.username, body.current_password, ip, 'auth.password_changed');
    const passwordHash = await identity.passwords.hash(body.new_password);
    const expected = { passwordHash: checked.passwordHash };
    await audited(gateway, call, { action: 'auth.password_changed', resource: `user/${id}` }, async () => {
      const changed = await ports.userStore.update(id, { passwordHash }, expected);
      // Somebody changed it at the same time: what was current is not any more.
      if (changed === 'changed') throw new InkwellError('invalid_credentials');
    });
    await endOtherSessions(gateway, id, caller.sessionId);
    await identity.revocations.changed(`user:${id}`);
    return { status: 204, contentType: 'application/json', body: '' };
  },
});
