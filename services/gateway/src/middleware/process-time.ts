/** `X-Process-Time`: seconds from the request's arrival to the first byte of the answer. */
import { ServerResponse } from 'node:http';
import type { Response } from 'express';
import type { Gate } from './gate.ts';

const { writeHead } = ServerResponse.prototype;

/** The same for all responses: what each brings along is when it began. */
function timed(this: Response, ...args: unknown[]) {
  const startedAt = this.locals.startedAt as number;
  this.setHeader('x-process-time', ((performance.now() - startedAt) / 1_000).toFixed(6));
  return Reflect.apply(writeHead, this, args) as typeof this;
}

export const processTime: Gate = (_request, response) => {
  response.locals.startedAt = performance.now();
  response.writeHead = timed as typeof response.writeHead;
  return true;
};
