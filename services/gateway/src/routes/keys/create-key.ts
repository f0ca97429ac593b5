import { apiKeyRequestSchema, newApiKeySchema } from '@inkwell/contracts/http';
import { issueApiKey } from '../../auth/issue-api-key.ts';
import { toApiKeyResource } from '../../delivery/api-key-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /api/keys`: a key for any tenant. The answer is the only place the key ever appears. */
export const createKey = defineOperation({
  id: 'createKey',
  method: 'post',
  path: '/api/keys',
  tag: 'Keys',
  summary: 'Make an API key',
  access: 'superuser',
  scope: 'keys',
  body: apiKeyRequestSchema,
  answers: { 201: jsonAnswer('The key, shown this once.', newApiKeySchema) },
  async handle({ body }, gateway) {
    const { keyStore } = gateway.ports;
    const { key, record } = await issueApiKey(keyStore, gateway.config.keySecret, gateway.clock.now(), {
      name: body.name,
      tenant: body.tenant,
      role: body.role,
      expiresAt: body.expires_at === undefined ? null : body.expires_at * 1000,
    });
    return json(201, { ...toApiKeyResource(record), key }, { 'cache-control': 'no-store' });
  },
});
