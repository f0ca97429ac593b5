/**
 * Cross-origin requests (Fetch standard, section 3.2) of the pages an operator lists. Keys are sent by the page itself, never by the browser, so
 * credentials stay off; without a list no other origin's page may read an answer.
 */
import type { EdgeConfig } from '../http/edge-config.ts';
import type { Gate } from './gate.ts';

const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const requestHeaders =
  'authorization, content-type, x-api-key, x-request-id, idempotency-key, cancel-after, prefer, last-event-id, accept';
const exposedHeaders = [
  'x-request-id',
  'x-inkwell-job-id',
  'x-inkwell-cache',
  'x-process-time',
  'x-should-retry',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
  'x-ratelimit-limit-tokens',
  'x-ratelimit-remaining-tokens',
  'x-ratelimit-reset-tokens',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'location',
  'idempotent-replayed',
].join(', ');
const preflightSeconds = '600';

export function cors({ corsOrigins }: EdgeConfig): Gate {
  const everyOrigin = corsOrigins.includes('*');
  return (request, response) => {
    if (corsOrigins.length === 0) return true;
    response.appendHeader('vary', 'Origin');
    const { origin } = request.headers;
    if (origin === undefined || !(everyOrigin || corsOrigins.includes(origin))) return true;
    response.setHeader('access-control-allow-origin', everyOrigin ? '*' : origin);
    response.setHeader('access-control-expose-headers', exposedHeaders);
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return true;
    response.setHeader('access-control-allow-methods', methods);
    response.setHeader('access-control-allow-headers', requestHeaders);
    response.setHeader('access-control-max-age', preflightSeconds);
    response.writeHead(204).end();
    return false;
  };
}
