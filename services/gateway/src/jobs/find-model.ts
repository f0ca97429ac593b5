/** The model a request names. */
import { InkwellError } from '@inkwell/contracts';
import type { Caller } from '../auth/caller.ts';
import type { GatewayContext, ServedModel } from '../context.ts';

/** The models this caller may use. */
export function modelsFor({ models }: Pick<GatewayContext, 'models'>, caller: Caller): readonly ServedModel[] {
  return caller.models === null ? models : models.filter(({ id }) => caller.models?.includes(id));
}

/** A model the caller may not use doesn't exist for them. @throws InkwellError `model_not_found` */
export function findModel(gateway: Pick<GatewayContext, 'models'>, caller: Caller, id: string): ServedModel {
  const models = modelsFor(gateway, caller);
  const model = models.find((one) => one.id === id);
  if (model) return model;
  throw new InkwellError('model_not_found', {
    param: 'model',
    message: `There is no such model. GET /v1/models lists those there are (${models.length}).`,
  });
}
