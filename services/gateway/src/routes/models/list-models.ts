import { modelListSchema } from '@inkwell/contracts/http';
import { toModelResource } from '../../delivery/model-resource.ts';
import { modelsFor } from '../../jobs/find-model.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /v1/models` */
export const listModels = defineOperation({
  id: 'listModels',
  method: 'get',
  path: '/v1/models',
  tag: 'Models',
  summary: 'List models',
  access: 'key',
  scope: 'models',
  answers: { 200: jsonAnswer('The models this key may use.', modelListSchema) },
  async handle({ caller }, gateway) {
    return json(200, { object: 'list', data: modelsFor(gateway, caller).map(toModelResource) });
  },
});
