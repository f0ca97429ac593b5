import { tokenizationSchema, tokenizeRequestSchema } from '@inkwell/contracts/http';
import { findModel } from '../../jobs/find-model.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /v1/tokenize`: count before running. */
export const tokenize = defineOperation({
  id: 'tokenize',
  method: 'post',
  path: '/v1/tokenize',
  tag: 'Tokens',
  summary: 'Text to token ids',
  access: 'key',
  scope: 'generate',
  body: tokenizeRequestSchema,
  answers: { 200: jsonAnswer('The tokens, their number and the context they must fit.', tokenizationSchema) },
  errors: ['model_not_found'],
  async handle({ body, caller }, gateway) {
    const model = findModel(gateway, caller, body.model);
    const tokens = model.tokenizer.encode(body.prompt);
    return json(200, { model: model.id, tokens, count: tokens.length, context_length: model.contextLength });
  },
});
