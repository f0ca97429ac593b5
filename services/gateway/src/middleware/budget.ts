/** Gives every request its budget: the time it may wait for dependencies, over all its calls. */
import { withBudget } from '@inkwell/resilience';
import type { RequestHandler } from 'express';
import type { GatewayContext } from '../context.ts';

export function budget({ config }: GatewayContext): RequestHandler {
  return (_request, _response, next) => withBudget(config.requestBudgetMs, next);
}
