import { InkwellError } from '@inkwell/contracts';
import { detokenizationSchema, detokenizeRequestSchema } from '@inkwell/contracts/http';
import { findModel } from '../../jobs/find-model.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** `POST /v1/detokenize` */
export const detokenize = defineOperation({
  id: 'detokenize',
  method: 'post',
  path: '/v1/detokenize',
  tag: 'Tokens',
  summary: 'Token ids to text',
  access: 'key',
  body: detokenizeRequestSchema,
  answers: { 200: jsonAnswer('The text.', detokenizationSchema) },
  errors: ['model_not_found'],
  async handle({ body }, gateway) {
    const model = findModel(gateway, body.model);
    const wrong = body.tokens.findIndex((id) => id >= model.tokenizer.vocabSize);
    if (wrong >= 0) {
      const param = `tokens.${wrong}`;
      const message = `${param}: this model's token ids end at ${model.tokenizer.vocabSize - 1}`;
      throw new InkwellError('invalid_parameter', { param, message });
    }
    return json(200, { model: model.id, prompt: model.tokenizer.decode(body.tokens) });
  },
});
