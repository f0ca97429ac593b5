/** Addresses nothing is at, and methods an address does not take (RFC 9110, sections 15.5.5 and 15.5.6). */
import { InkwellError } from '@inkwell/contracts';
import type { RequestHandler } from 'express';
import type { Operation } from '../operation.ts';

const hasParameter = ({ path }: Operation) => path.includes('{');

/** In the order to be asked: what is at exactly one address goes before what is at many. */
export function byAddress(operations: readonly Operation[]): Map<string, Operation[]> {
  const ordered = [...operations.filter((one) => !hasParameter(one)), ...operations.filter(hasParameter)];
  return Map.groupBy(ordered, ({ path }) => path);
}

/** For what is left at an address once its operations have been asked. */
export function methodNotAllowed(operations: readonly Operation[]): RequestHandler {
  const methods = new Set(operations.map(({ method }) => method.toUpperCase()));
  if (methods.has('GET')) methods.add('HEAD');
  const allow = [...methods, 'OPTIONS'].join(', ');
  return (request, response) => {
    response.setHeader('allow', allow);
    if (request.method !== 'OPTIONS') throw new InkwellError('method_not_allowed');
    response.writeHead(204).end();
  };
}

export const notFound: RequestHandler = () => {
  throw new InkwellError('not_found');
};
