/**
 * The head of every answer: the headers that keep browsers and caches from doing more with it than hand it over, its request's id,
 * `X-Process-Time` (seconds from the request's arrival to the first byte), what was noted on the way, and what the answer says itself, each over
 * those before it: `/docs` has a content policy of its own. It is put together once, when it is written; a header that is set before is
 * checked, kept and copied one by one.
 */
import { type OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Response } from 'express';
import { randomHex } from '../random-hex.ts';
import type { Gate } from './gate.ts';

const sameForAll = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-permitted-cross-domain-policies': 'none',
  // The filter of old browsers did more harm than good.
  'x-xss-protection': '0',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
};

const saneId = /^[A-Za-z0-9._-]{1,128}$/;

interface Noted {
  startedAt: number;
  requestId: string;
  noted: Record<string, string> | undefined;
}

const { writeHead } = ServerResponse.prototype;

/** In place of the response's own `writeHead`, without a reason phrase. */
function writeWhole(this: Response, status: number, own: OutgoingHttpHeaders = {}): Response {
  const { startedAt, requestId, noted } = this.locals as Noted;
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(6);
  const head: OutgoingHttpHeaders = {
    ...sameForAll,
    'x-request-id': requestId,
    'x-process-time': seconds,
    ...noted,
    ...own,
  };
  // An answer may last for hours, and its head is written once.
  (this.locals as Noted).noted = undefined;
  for (const name of this.getHeaderNames()) if (own[name] === undefined) delete head[name];
  return Reflect.apply(writeHead, this, [status, head]) as Response;
}

/** Gives every request an id, the client's own if it is sane. */
export const responseHead: Gate = (request, response) => {
  const given = request.headers['x-request-id'];
  response.locals.requestId = typeof given === 'string' && saneId.test(given) ? given : `req_${randomHex(16)}`;
  response.locals.startedAt = performance.now();
  response.writeHead = writeWhole as typeof response.writeHead;
  return true;
};

/** Headers (in lower case) that the answer will have whatever it turns out to be, an error too. */
export function noteHeaders(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  const locals = (response as Response).locals as Noted;
  locals.noted = { ...locals.noted, ...headers };
}
