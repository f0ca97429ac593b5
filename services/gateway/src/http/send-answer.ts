/** Writes a whole answer at once. */
import type { ServerResponse } from 'node:http';
import { compress, worthwhileBytes } from '../middleware/compress.ts';
import type { Answer } from '../operation.ts';

export function sendAnswer(response: ServerResponse, answer: Answer): void {
  if (response.headersSent || response.destroyed) return;
  const { body } = answer;
  const length = Buffer.byteLength(body);
  if (length >= worthwhileBytes) compress(response);
  response.writeHead(answer.status, {
    ...answer.headers,
    ...(answer.cookies ? { 'set-cookie': [...answer.cookies] } : {}),
    ...(answer.status === 204 ? {} : { 'content-type': answer.contentType, 'content-length': length }),
  });
  response.end(body);
}
