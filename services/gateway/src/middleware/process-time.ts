/** `X-Process-Time`: seconds from the request's arrival to the first byte of the answer. */
import type { Gate } from './gate.ts';

export const processTime: Gate = (_request, response) => {
  const start = performance.now();
  const writeHead = response.writeHead;
  response.writeHead = function timed(this: typeof response, ...args: unknown[]) {
    this.setHeader('x-process-time', ((performance.now() - start) / 1_000).toFixed(6));
    return Reflect.apply(writeHead, this, args) as typeof response;
  } as typeof writeHead;
  return true;
};
