/** What the holder of an API key may do: the key's own restrictions, never more than its owner may. */
import {
  type ApiKeyRecord,
  lowerRole,
  type RevokedSubject,
  scopesOfKey,
  scopesOfRole,
  type UserRecord,
} from '@inkwell/contracts';
import type { Caller } from './caller.ts';

/** @param owner the person the key belongs to, if any; must be theirs and not disabled */
export function keyCaller(record: ApiKeyRecord, owner: UserRecord | undefined): Caller {
  const role = owner ? lowerRole(record.role, owner.role) : record.role;
  const subjects: RevokedSubject[] = [`key:${record.id}`];
  if (owner) subjects.push(`user:${owner.id}`);
  const possible = scopesOfRole(role);
  return {
    kind: 'key',
    keyId: record.id,
    userId: record.userId,
    sessionId: null,
    tenant: record.tenant,
    role,
    scopes: record.scopes ? record.scopes.filter((scope) => possible.includes(scope)) : scopesOfKey(role),
    restricted: record.scopes !== null,
    models: record.models,
    limits: record.limits ?? owner?.limits ?? null,
    subjects,
    issuedAt: record.createdAt,
    signedBy: null,
  };
}
