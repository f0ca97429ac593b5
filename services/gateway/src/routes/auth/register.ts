import { InkwellError, scopesOfRole } from '@inkwell/contracts';
import { callerSchema, registrationSchema } from '@inkwell/contracts/http';
import { newUser, passwordProblem } from '@inkwell/identity';
import { createAccount } from '../../auth/create-account.ts';
import { toMeResource } from '../../delivery/user-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /api/auth/register`: an account and a tenant of one's own. Nothing in the request can give it more than a user has. */
export const register = defineOperation({
  id: 'register',
  method: 'post',
  path: '/api/auth/register',
  tag: 'Accounts',
  summary: 'Make an account',
  access: 'open',
  limit: 'request',
  body: registrationSchema,
  rules: [{ param: 'password', rule: 'must not hold the username, nor be one of the most common passwords' }],
  answers: { 201: jsonAnswer('The account.', callerSchema) },
  errors: ['registration_closed', 'username_taken', 'dependency_unavailable'],
  async handle(call, gateway) {
    const { body } = call;
    const { clock, config, identity, ports } = gateway;
    if (!config.openRegistration) throw new InkwellError('registration_closed');
    const problem = passwordProblem(body.password, body.username);
    if (problem) throw new InkwellError('invalid_parameter', { param: 'password', message: `password: ${problem}` });
    if (await ports.userStore.findByUsername(body.username)) {
      throw new InkwellError('username_taken', { param: 'username' });
    }
    const passwordHash = await identity.passwords.hash(body.password);
    const user = newUser({ username: body.username, email: body.email ?? null, passwordHash }, clock.now());
    const created = await createAccount(gateway, call, user, 'password');
    if (created === 'username') throw new InkwellError('username_taken', { param: 'username', note: 'told' });
    if (created !== 'created') throw new Error(`a new account met another's ${created}`);
    return json(201, toMeResource(user, scopesOfRole(user.role)));
  },
});
