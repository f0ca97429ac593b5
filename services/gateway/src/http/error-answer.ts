/**
 * An error as an answer: the OpenAI shape, or RFC 9457 for those who ask for it, with the headers that tell a client what to do next. Nothing
 * but the public message of the error table leaves here.
 */
import { type ErrorCode, InkwellError } from '@inkwell/contracts';
import type { Answer } from '../operation.ts';

const defaultRetryAfterSeconds = 1;

function headersOf(error: InkwellError): Record<string, string> {
  const headers: Record<string, string> = {};
  if (!error.retryable) headers['x-should-retry'] = 'false';
  if (error.status === 429 || error.status === 503 || error.code === 'idempotency_in_progress') {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterSeconds ?? defaultRetryAfterSeconds)));
  }
  if (error.status === 401) {
    const missing = error.code === 'missing_api_key';
    const ofCredential = error.code === 'invalid_api_key' || error.code === 'invalid_token';
    headers['x-api-key-error'] = missing ? 'missing' : 'invalid';
    headers['www-authenticate'] = `Bearer realm="inkwell"${ofCredential ? ', error="invalid_token"' : ''}`;
  }
  return headers;
}

function problem(error: InkwellError, requestId: string) {
  const { code, message, param, type } = error.toBody();
  return {
    type: `urn:inkwell:error:${code}`,
    title: type,
    status: error.status,
    detail: message,
    instance: `urn:inkwell:request:${requestId}`,
    code,
    param,
  };
}

/** Whether an Accept header names the problem format, other than to refuse it. */
function wantsProblem(accept: string | undefined): boolean {
  return /application\/problem\+json(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(accept ?? '');
}

/** @param accept the request's Accept header */
export function errorAnswer(error: InkwellError, accept: string | undefined, requestId: string): Answer {
  if (!wantsProblem(accept)) {
    return {
      status: error.status,
      headers: headersOf(error),
      contentType: 'application/json',
      body: JSON.stringify({ error: error.toBody() }),
    };
  }
  return {
    status: error.status,
    headers: headersOf(error),
    contentType: 'application/problem+json',
    body: JSON.stringify(problem(error, requestId)),
  };
}

/** RFC 6749, section 5.2: the names its clients know. */
const oauthNames: Partial<Record<ErrorCode, string>> = {
  invalid_api_key: 'invalid_client',
  missing_api_key: 'invalid_client',
  address_not_allowed: 'invalid_client',
  invalid_token: 'invalid_grant',
  insufficient_scope: 'invalid_scope',
  unsupported_grant_type: 'unsupported_grant_type',
};

/** The error as an OAuth token endpoint tells it. A refused grant is a 400 there; a client that isn't known, a 401. */
export function oauthErrorAnswer(error: InkwellError): Answer {
  const known = oauthNames[error.code];
  const name = known ?? (error.status < 500 && error.status !== 429 ? 'invalid_request' : 'temporarily_unavailable');
  const isClient = name === 'invalid_client';
  const status = known === undefined ? error.status : isClient ? 401 : 400;
  return {
    status,
    headers: { ...headersOf(error), ...(isClient ? { 'www-authenticate': 'Basic realm="inkwell"' } : {}) },
    contentType: 'application/json',
    body: JSON.stringify({ error: name, error_description: error.message }),
  };
}

/** Anything thrown, as an error a client may see. */
export function toInkwellError(thrown: unknown): InkwellError {
  if (thrown instanceof InkwellError) return thrown;
  // The router's own refusals (a path it cannot decode) carry a 4xx status.
  const status = (thrown as { status?: unknown } | null)?.status;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new InkwellError('invalid_parameter', {
      param: 'path',
      message: 'path: bad percent-encoding',
      cause: thrown,
    });
  }
  return new InkwellError('internal_error', { cause: thrown });
}
