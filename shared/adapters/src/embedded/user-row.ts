/** A row of the table of people, and the record it stands for. */
import type { LimitOverrides, Role, UserRecord } from '@inkwell/contracts';
import { fromJson } from './key-row.ts';

export interface UserRow {
  id: string;
  username: string;
  email: string | null;
  email_verified: number;
  tenant: string;
  role: Role;
  password_hash: string | null;
  github_id: string | null;
  limits: string | null;
  created_at: number;
  disabled_at: number | null;
}

export function toUserRecord(row: UserRow): UserRecord {
  return {
    id: row.id,
    username: row.username,
    email: row.email,
    emailVerified: row.email_verified === 1,
    tenant: row.tenant,
    role: row.role,
    passwordHash: row.password_hash,
    githubId: row.github_id,
    limits: fromJson<LimitOverrides>(row.limits),
    createdAt: row.created_at,
    disabledAt: row.disabled_at,
  };
}
