/** While the server shuts down nothing new is taken; probes and metrics still answer, so that others can see it go. */
import { InkwellError } from '@inkwell/contracts';
import type { RequestHandler } from 'express';
import type { GatewayContext } from '../context.ts';

const stillServed = /^\/(api\/health\/|metrics$|version$)/;

export function refuseWhenClosing({ lifecycle }: GatewayContext): RequestHandler {
  return (request, response, next) => {
    if (!lifecycle.closing) return next();
    response.setHeader('connection', 'close');
    if (stillServed.test(request.path)) return next();
    throw new InkwellError('shutting_down', { retryAfterSeconds: 1 });
  };
}
