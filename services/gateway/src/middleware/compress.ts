/** Compresses whole answers that gain by it. Streams of events never: a compressor would hold back what should be seen at once. */
import compression from 'compression';
import type { RequestHandler } from 'express';

const worthwhileBytes = 1024;

export const compress: RequestHandler = compression({
  threshold: worthwhileBytes,
  filter: (request, response) =>
    !String(response.getHeader('content-type')).startsWith('text/event-stream') &&
    compression.filter(request, response),
});
