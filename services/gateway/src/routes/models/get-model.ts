import { modelSchema } from '@inkwell/contracts/http';
import { z } from 'zod';
import { toModelResource } from '../../delivery/model-resource.ts';
import { findModel } from '../../jobs/find-model.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `GET /v1/models/{id}` */
export const getModel = defineOperation({
  id: 'getModel',
  method: 'get',
  path: '/v1/models/{id}',
  tag: 'Models',
  summary: 'Get a model',
  access: 'key',
  scope: 'models',
  params: z.object({ id: z.string() }),
  answers: { 200: jsonAnswer('The model.', modelSchema) },
  errors: ['model_not_found'],
  async handle({ caller, params }, gateway) {
    return json(200, toModelResource(findModel(gateway, caller, params.id)));
  },
});
