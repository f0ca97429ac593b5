/** A person as they and superusers may see them: without their password's hash. */
import type { UserRecord } from '@inkwell/contracts';
import type { Caller } from '../auth/caller.ts';
import { toLimitsResource } from './limit-overrides.ts';

function toUserResource(user: UserRecord) {
  return {
    id: user.id,
    object: 'user' as const,
    username: user.username,
    email: user.email,
    email_verified: user.emailVerified,
    github: user.githubId !== null,
    tenant: user.tenant,
    role: user.role,
    created_at: user.createdAt / 1000,
    disabled_at: user.disabledAt === null ? null : user.disabledAt / 1000,
  };
}

export const toMeResource = (user: UserRecord, scopes: Caller['scopes']) => ({
  ...toUserResource(user),
  scopes: [...scopes],
});

export const toAdminUserResource = (user: UserRecord) => ({
  ...toUserResource(user),
  limits: toLimitsResource(user.limits),
});
