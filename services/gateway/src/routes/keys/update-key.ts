import type { ApiKeyPatch } from '@inkwell/contracts';
import { apiKeyChangeSchema, apiKeyIdSchema, apiKeySchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { audited } from '../../audit/audit.ts';
import { findOwnKey, noSuchKey } from '../../auth/find-own-key.ts';
import { addressRule, checkKeyWish, modelsToGive, scopesToGive } from '../../auth/key-grant.ts';
import { toApiKeyResource } from '../../delivery/api-key-resource.ts';
import { fromLimitsResource } from '../../delivery/limit-overrides.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `PATCH /api/keys/{id}`: name, restrictions, expiry; in force on every gateway at once. */
export const updateKey = defineOperation({
  id: 'updateKey',
  method: 'patch',
  path: '/api/keys/{id}',
  tag: 'Keys',
  summary: 'Change an API key',
  access: 'key',
  scope: 'keys',
  params: z.object({ id: apiKeyIdSchema }),
  body: apiKeyChangeSchema,
  rules: [addressRule],
  answers: { 200: jsonAnswer('The key as it is now.', apiKeySchema) },
  errors: ['not_found'],
  async handle(call, gateway) {
    const { body, caller, params } = call;
    const record = await findOwnKey(gateway, caller, params.id);
    if (record.revokedAt !== null) throw noSuchKey();
    checkKeyWish(caller, body);
    const patch: ApiKeyPatch = {};
    if (body.name !== undefined) patch.name = body.name;
    if (body.expires_at !== undefined) patch.expiresAt = body.expires_at === null ? null : body.expires_at * 1000;
    if (body.scopes !== undefined) patch.scopes = scopesToGive(caller, record.role, body.scopes);
    if (body.models !== undefined) patch.models = modelsToGive(caller, body.models);
    if (body.allowed_ips !== undefined) patch.allowedIps = body.allowed_ips;
    if (body.limits !== undefined) patch.limits = fromLimitsResource(body.limits);
    if (body.signed !== undefined) patch.signed = body.signed;
    const details = { fields: Object.keys(patch).join(' ') };
    const act = { action: 'key.changed', resource: `key/${record.id}`, tenant: record.tenant, details } as const;
    const changed = await audited(gateway, call, act, async () => {
      const updated = await gateway.ports.keyStore.update(params.id, patch);
      if (!updated) throw noSuchKey();
      return updated;
    });
    await gateway.identity.revocations.changed(`key:${params.id}`);
    return json(200, toApiKeyResource(changed));
  },
});
