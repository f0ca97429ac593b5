import { apiKeyListSchema } from '@inkwell/contracts/http';
import { toApiKeyResource } from '../../delivery/api-key-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/keys`: every key, oldest first, revoked ones too. */
export const listKeys = defineOperation({
  id: 'listKeys',
  method: 'get',
  path: '/api/keys',
  tag: 'Keys',
  summary: 'List API keys',
  access: 'superuser',
  scope: 'keys',
  answers: { 200: jsonAnswer('The keys, without their secrets.', apiKeyListSchema) },
  async handle(_call, gateway) {
    const records = await gateway.ports.keyStore.list();
    return json(200, { object: 'list', data: records.map(toApiKeyResource) });
  },
});
