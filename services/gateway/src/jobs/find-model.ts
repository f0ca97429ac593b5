/** The model a request names. */
import { InkwellError } from '@inkwell/contracts';
import type { GatewayContext, ServedModel } from '../context.ts';

/** @throws InkwellError `model_not_found` */
export function findModel({ models }: GatewayContext, id: string): ServedModel {
  const model = models.find((one) => one.id === id);
  if (model) return model;
  throw new InkwellError('model_not_found', {
    param: 'model',
    message: `There is no such model. GET /v1/models lists those there are (${models.length}).`,
  });
}
