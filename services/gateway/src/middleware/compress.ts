/**
 * Compresses answers that gain by it. Asked for only where an answer is known to be large, since it takes hold of the whole response; streams
 * of events never: a compressor would hold back what should be seen at once.
 */
import type { ServerResponse } from 'node:http';
import compression from 'compression';
import type { Request, Response } from 'express';

/** Shorter bodies are sent as they are. */
export const worthwhileBytes = 1024;

const compressor = compression({ threshold: worthwhileBytes });

/** To be called before the head is written. */
export function compress(response: ServerResponse): void {
  compressor(response.req as Request, response as Response, () => {});
}
