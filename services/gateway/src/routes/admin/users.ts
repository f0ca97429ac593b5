import { InkwellError, type UserPatch, type UserRecord } from '@inkwell/contracts';
import {
  adminUserChangeSchema,
  adminUserListQuerySchema,
  adminUserListSchema,
  adminUserSchema,
  userIdSchema,
} from '@inkwell/contracts/http';
import { z } from 'zod';
import { audited } from '../../audit/audit.ts';
import { endAllSessions } from '../../auth/sign-in.ts';
import type { GatewayContext } from '../../context.ts';
import { fromLimitsResource } from '../../delivery/limit-overrides.ts';
import { toAdminUserResource } from '../../delivery/user-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

const params = z.object({ id: userIdSchema });

async function findUser({ ports }: GatewayContext, id: string): Promise<UserRecord> {
  const user = await ports.userStore.get(id);
  if (user) return user;
  throw new InkwellError('not_found', { message: 'There is no such user.' });
}

/** `GET /api/admin/users` */
export const listUsers = defineOperation({
  id: 'listUsers',
  method: 'get',
  path: '/api/admin/users',
  tag: 'Administration',
  summary: 'List users',
  access: 'superuser',
  scope: 'admin',
  query: adminUserListQuerySchema,
  answers: { 200: jsonAnswer('Users, oldest first.', adminUserListSchema) },
  async handle({ query }, { ports }) {
    const { users, hasMore } = await ports.userStore.list({ limit: query.limit ?? 20, after: query.after });
    return json(200, { object: 'list', data: users.map(toAdminUserResource), has_more: hasMore });
  },
});

/** `GET /api/admin/users/{id}` */
export const getUser = defineOperation({
  id: 'getUser',
  method: 'get',
  path: '/api/admin/users/{id}',
  tag: 'Administration',
  summary: 'Get a user',
  access: 'superuser',
  scope: 'admin',
  params,
  answers: { 200: jsonAnswer('The user.', adminUserSchema) },
  errors: ['not_found'],
  async handle(call, gateway) {
    return json(200, toAdminUserResource(await findUser(gateway, call.params.id)));
  },
});

type Change = z.infer<typeof adminUserChangeSchema>;

function toPatch(change: Change, user: UserRecord, now: number): UserPatch {
  const patch: UserPatch = {};
  if (change.role !== undefined) patch.role = change.role;
  if (change.limits !== undefined) patch.limits = fromLimitsResource(change.limits);
  if (change.disabled !== undefined) patch.disabledAt = change.disabled ? (user.disabledAt ?? now) : null;
  // A new address is nobody's until somebody vouches for it.
  if (change.email !== undefined) Object.assign(patch, { email: change.email, emailVerified: false });
  if (change.email_verified !== undefined) patch.emailVerified = change.email_verified;
  return patch;
}

/** `PATCH /api/admin/users/{id}`: role, limits, address; disabling ends every session and stops the person's keys. */
export const updateUser = defineOperation({
  id: 'updateUser',
  method: 'patch',
  path: '/api/admin/users/{id}',
  tag: 'Administration',
  summary: 'Change a user',
  access: 'superuser',
  scope: 'admin',
  params,
  body: adminUserChangeSchema,
  rules: [
    { param: 'role', rule: 'nobody can change their own' },
    { param: 'disabled', rule: 'nobody can change their own' },
    { param: 'email', rule: 'must not be somebody else’s, verified' },
    { param: 'email_verified', rule: 'needs an address' },
  ],
  answers: { 200: jsonAnswer('The user as it is now.', adminUserSchema) },
  errors: ['not_found'],
  async handle(call, gateway) {
    const { body, caller, params } = call;
    const { id } = params;
    const { clock, identity, ports } = gateway;
    const user = await findUser(gateway, id);
    if (user.id === caller.userId && (body.role !== undefined || body.disabled !== undefined)) {
      const param = body.role === undefined ? 'disabled' : 'role';
      throw new InkwellError('invalid_parameter', { param, message: `${param}: nobody can change their own` });
    }
    const patch = toPatch(body, user, clock.now());
    if (patch.emailVerified && (patch.email === undefined ? user.email : patch.email) === null) {
      throw new InkwellError('invalid_parameter', {
        param: 'email_verified',
        message: 'email_verified: there is no address',
      });
    }
    const details = { fields: Object.keys(patch).join(' '), ...(body.role && { role: body.role }) };
    const act = { action: 'admin.user_changed', resource: `user/${id}`, tenant: user.tenant, details } as const;
    const changed = await audited(gateway, call, act, async () => {
      const updated = await ports.userStore.update(id, patch);
      if (updated === 'email') {
        const message = 'email: somebody else has it, verified';
        throw new InkwellError('invalid_parameter', { param: 'email', message });
      }
      if (typeof updated === 'string') throw new Error(`changing a user met: ${updated}`);
      return updated;
    });
    if (body.disabled) await endAllSessions(gateway, id);
    else await identity.revocations.changed(`user:${id}`);
    return json(200, toAdminUserResource(changed));
  },
});
