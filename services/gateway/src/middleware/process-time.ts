/** `X-Process-Time`: seconds from the request's arrival to the first byte of the answer. */
import type { RequestHandler } from 'express';

export const processTime: RequestHandler = (_request, response, next) => {
  const start = performance.now();
  const writeHead = response.writeHead;
  response.writeHead = function timed(this: typeof response, ...args: unknown[]) {
    this.setHeader('x-process-time', ((performance.now() - start) / 1_000).toFixed(6));
    return Reflect.apply(writeHead, this, args) as typeof response;
  } as typeof writeHead;
  next();
};
