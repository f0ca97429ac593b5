/** Gives every request an id, the client's own if it is sane, and says it in the answer. */
import { randomUUID } from 'node:crypto';
import type { Gate } from './gate.ts';

const sane = /^[A-Za-z0-9._-]{1,128}$/;

export const requestId: Gate = (request, response) => {
  const given = request.headers['x-request-id'];
  const id = typeof given === 'string' && sane.test(given) ? given : `req_${randomUUID().replaceAll('-', '')}`;
  response.locals.requestId = id;
  response.setHeader('x-request-id', id);
  return true;
};
