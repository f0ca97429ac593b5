/** An API key as its owner may see it: without its hashes. */
import type { ApiKeyRecord } from '@inkwell/contracts';
import { toLimitsResource } from './limit-overrides.ts';

const seconds = (milliseconds: number | null) => (milliseconds === null ? null : milliseconds / 1000);

export function toApiKeyResource(record: ApiKeyRecord) {
  return {
    id: record.id,
    object: 'api_key' as const,
    name: record.name,
    prefix: record.prefix,
    tenant: record.tenant,
    user_id: record.userId,
    role: record.role,
    scopes: record.scopes,
    models: record.models,
    allowed_ips: record.allowedIps,
    limits: toLimitsResource(record.limits),
    signed: record.signed,
    created_at: record.createdAt / 1000,
    expires_at: seconds(record.expiresAt),
    revoked_at: seconds(record.revokedAt),
    previous_valid_until: seconds(record.previousUntil),
    last_used_at: seconds(record.lastUsedAt),
    usage_count: record.usageCount,
  };
}
