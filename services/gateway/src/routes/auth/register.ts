import { InkwellError, scopesOfRole } from '@inkwell/contracts';
import { callerSchema, registrationSchema } from '@inkwell/contracts/http';
import { newUser, passwordProblem } from '@inkwell/identity';
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
  body: registrationSchema,
  answers: { 201: jsonAnswer('The account.', callerSchema) },
  errors: ['registration_closed', 'username_taken', 'dependency_unavailable'],
  async handle({ body }, { clock, config, identity, ports }) {
    if (!config.openRegistration) throw new InkwellError('registration_closed');
    const problem = passwordProblem(body.password, body.username);
    if (problem) throw new InkwellError('invalid_parameter', { param: 'password', message: `password: ${problem}` });
    const passwordHash = await identity.passwords.hash(body.password);
    const user = newUser({ username: body.username, email: body.email ?? null, passwordHash }, clock.now());
    const created = await ports.userStore.create(user);
    if (created === 'username') throw new InkwellError('username_taken', { param: 'username' });
    if (created !== 'created') throw new Error(`a new account met another's ${created}`);
    return json(201, toMeResource(user, scopesOfRole(user.role)));
  },
});
