/** Addresses nothing is at, and methods an address does not take (RFC 9110, sections 15.5.5 and 15.5.6). */
import { InkwellError } from '@inkwell/contracts';
import type { RequestHandler } from 'express';
import type { Operation } from '../operation.ts';

function pattern(path: string): RegExp {
  return new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}/?$`);
}

export function notFound(operations: readonly Operation[]): RequestHandler {
  const known = operations.map(({ path, method }) => ({ pattern: pattern(path), method: method.toUpperCase() }));
  return (request, response) => {
    const methods = new Set(known.filter((one) => one.pattern.test(request.path)).map(({ method }) => method));
    if (methods.size === 0) throw new InkwellError('not_found');
    if (methods.has('GET')) methods.add('HEAD');
    response.setHeader('allow', [...methods, 'OPTIONS'].join(', '));
    if (request.method !== 'OPTIONS') throw new InkwellError('method_not_allowed');
    response.writeHead(204).end();
  };
}
