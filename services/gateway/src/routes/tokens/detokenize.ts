import { InkwellError } from '@inkwell/contracts';
import { detokenizationSchema, detokenizeRequestSchema } from '@inkwell/contracts/http';
import { ModelError } from '@inkwell/gpt2';
import type { ServedModel } from '../../context.ts';
import { findModel } from '../../jobs/find-model.ts';
import { defineOperation, json, jsonAnswer } from '../../operation.ts';

/** A vocabulary may have holes below its last id. */
function decode(model: ServedModel, tokens: number[]): string {
  try {
    return model.tokenizer.decode(tokens);
  } catch (cause) {
    if (!(cause instanceof ModelError)) throw cause;
    throw new InkwellError('invalid_parameter', { param: 'tokens', message: `tokens: ${cause.message}`, cause });
  }
}

/** `POST /v1/detokenize` */
export const detokenize = defineOperation({
  id: 'detokenize',
  method: 'post',
  path: '/v1/detokenize',
  tag: 'Tokens',
  summary: 'Token ids to text',
  access: 'key',
  scope: 'generate',
  body: detokenizeRequestSchema,
  rules: [{ param: 'tokens', rule: 'must be ids of the model’s vocabulary' }],
  answers: { 200: jsonAnswer('The text.', detokenizationSchema) },
  errors: ['model_not_found'],
  async handle({ body, caller }, gateway) {
    const model = findModel(gateway, caller, body.model);
    const wrong = body.tokens.findIndex((id) => id >= model.tokenizer.vocabSize);
    if (wrong >= 0) {
      const param = `tokens.${wrong}`;
      const message = `${param}: this model's token ids end at ${model.tokenizer.vocabSize - 1}`;
      throw new InkwellError('invalid_parameter', { param, message });
    }
    return json(200, { model: model.id, prompt: decode(model, body.tokens) });
  },
});
