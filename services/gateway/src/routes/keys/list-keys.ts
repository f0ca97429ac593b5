import { apiKeyListSchema } from '@inkwell/contracts/http';
import { toApiKeyResource } from '../../delivery/api-key-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/keys`: one's tenant's keys, or as a superuser everybody's, oldest first, revoked ones too. */
export const listKeys = defineOperation({
  id: 'listKeys',
  method: 'get',
  path: '/api/keys',
  tag: 'Keys',
  summary: 'List API keys',
  access: 'key',
  scope: 'keys',
  answers: { 200: jsonAnswer('The keys, without their secrets.', apiKeyListSchema) },
  async handle({ caller }, { ports }) {
    const records = await ports.keyStore.list(caller.role === 'superuser' ? undefined : caller.tenant);
    return json(200, { object: 'list', data: records.map(toApiKeyResource) });
  },
});
