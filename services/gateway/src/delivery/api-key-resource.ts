/** An API key as its owner may see it: without its hash. */
import type { ApiKeyRecord } from '@inkwell/contracts';

const seconds = (milliseconds: number | null) => (milliseconds === null ? null : milliseconds / 1000);

export function toApiKeyResource({ id, name, prefix, tenant, role, createdAt, expiresAt, revokedAt }: ApiKeyRecord) {
  return {
    id,
    object: 'api_key' as const,
    name,
    prefix,
    tenant,
    role,
    created_at: createdAt / 1000,
    expires_at: seconds(expiresAt),
    revoked_at: seconds(revokedAt),
  };
}
