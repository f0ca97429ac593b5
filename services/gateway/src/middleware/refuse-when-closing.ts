/** While the server shuts down nothing new is taken; probes and metrics still answer, so that others can see it go. */
import { InkwellError } from '@inkwell/contracts';
import type { GatewayContext } from '../context.ts';
import type { Gate } from './gate.ts';

const stillServed = /^\/(api\/health\/|metrics$|version$)/;

export function refuseWhenClosing({ lifecycle }: GatewayContext): Gate {
  return (request, response) => {
    if (!lifecycle.closing) return true;
    response.setHeader('connection', 'close');
    if (stillServed.test(request.path)) return true;
    throw new InkwellError('shutting_down', { retryAfterSeconds: 1 });
  };
}
