import { apiKeyRequestSchema, newApiKeySchema } from '@inkwell/contracts/http';
import { signingSecret } from '@inkwell/identity';
import { audited } from '../../audit/audit.ts';
import { issueApiKey } from '../../auth/issue-api-key.ts';
import { addressRule, checkKeyWish, modelsToGive, scopesToGive } from '../../auth/key-grant.ts';
import { toApiKeyResource } from '../../delivery/api-key-resource.ts';
import { fromLimitsResource } from '../../delivery/limit-overrides.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /api/keys`: a key for one's own tenant, or as a superuser for any. The answer is the only place the key ever appears. */
export const createKey = defineOperation({
  id: 'createKey',
  method: 'post',
  path: '/api/keys',
  tag: 'Keys',
  summary: 'Make an API key',
  access: 'key',
  scope: 'keys',
  limit: 'request',
  body: apiKeyRequestSchema,
  rules: [addressRule],
  answers: { 201: jsonAnswer('The key, shown this once.', newApiKeySchema) },
  async handle(call, gateway) {
    const { body, caller } = call;
    checkKeyWish(caller, body);
    const { clock, config, identity, ports } = gateway;
    const tenant = body.tenant ?? caller.tenant;
    const grant = {
      name: body.name,
      tenant,
      role: body.role,
      expiresAt: body.expires_at === undefined ? null : body.expires_at * 1000,
      userId: tenant === caller.tenant ? caller.userId : null,
      scopes: scopesToGive(caller, body.role, body.scopes),
      models: modelsToGive(caller, body.models),
      allowedIps: body.allowed_ips ?? null,
      limits: fromLimitsResource(body.limits ?? null),
      signed: body.signed ?? false,
    };
    const now = clock.now();
    const { key, record } = await issueApiKey(ports.keyStore, config.keySecret, now, grant, ({ id, role }, create) => {
      const act = { action: 'key.created', resource: `key/${id}`, tenant, once: id, details: { role } } as const;
      return audited(gateway, call, act, create);
    });
    const secret = record.signed ? signingSecret(identity.keySecrets, record.id, record.hash) : null;
    const answer = { ...toApiKeyResource(record), key, signing_secret: secret };
    return json(201, answer, { 'cache-control': 'no-store' });
  },
});
