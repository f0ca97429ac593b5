import { apiKeyIdSchema, apiKeySchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { findOwnKey } from '../../auth/find-own-key.ts';
import { toApiKeyResource } from '../../delivery/api-key-resource.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /api/keys/{id}` */
export const getKey = defineOperation({
  id: 'getKey',
  method: 'get',
  path: '/api/keys/{id}',
  tag: 'Keys',
  summary: 'Get an API key',
  access: 'key',
  scope: 'keys',
  params: z.object({ id: apiKeyIdSchema }),
  answers: { 200: jsonAnswer('The key, without its secret.', apiKeySchema) },
  errors: ['not_found'],
  async handle({ caller, params }, gateway) {
    return json(200, toApiKeyResource(await findOwnKey(gateway, caller, params.id)));
  },
});
