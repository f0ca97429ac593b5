/** A row of the table of API keys, and the record it stands for. Lists are kept as JSON text. */
import type { ApiKeyRecord, LimitOverrides, Role, Scope } from '@inkwell/contracts';

export interface KeyRow {
  id: string;
  hash: string;
  prefix: string;
  name: string;
  tenant: string;
  role: Role;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  user_id: string | null;
  scopes: string | null;
  models: string | null;
  allowed_ips: string | null;
  limits: string | null;
  signed: number;
  previous_hash: string | null;
  previous_until: number | null;
  last_used_at: number | null;
  usage_count: number;
}

export const toJson = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));

export const fromJson = <Value>(text: string | null): Value | null =>
  text === null ? null : (JSON.parse(text) as Value);

export function toKeyRecord(row: KeyRow): ApiKeyRecord {
  return {
    id: row.id,
    hash: row.hash,
    prefix: row.prefix,
    name: row.name,
    tenant: row.tenant,
    role: row.role,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    userId: row.user_id,
    scopes: fromJson<Scope[]>(row.scopes),
    models: fromJson<string[]>(row.models),
    allowedIps: fromJson<string[]>(row.allowed_ips),
    limits: fromJson<LimitOverrides>(row.limits),
    signed: row.signed === 1,
    previousHash: row.previous_hash,
    previousUntil: row.previous_until,
    lastUsedAt: row.last_used_at,
    usageCount: row.usage_count,
  };
}
