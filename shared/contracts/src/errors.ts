/**
 * The one table of errors. Every refusal a client can meet is a row here: a stable `code`, its HTTP status, the OpenAI-compatible `type`
 * and whether repeating the same request can help. Messages carry public text only; whatever else is known belongs in the log.
 */

import type { AuditAction } from './audit.ts';

export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'conflict_error'
  | 'rate_limit_error'
  | 'server_error';

interface ErrorRow {
  readonly status: number;
  readonly type: ErrorType;
  /** True when the same request, sent again later, may succeed. */
  readonly retryable: boolean;
  /** Default public text, used when the thrower gives none. */
  readonly message: string;
}

const row = (status: number, type: ErrorType, retryable: boolean, message: string): ErrorRow => ({
  status,
  type,
  retryable,
  message,
});

export const errorTable = {
  invalid_parameter: row(400, 'invalid_request_error', false, 'A parameter is not valid.'),
  unknown_parameter: row(400, 'invalid_request_error', false, 'The request has a field this endpoint does not know.'),
  missing_parameter: row(400, 'invalid_request_error', false, 'A required field is missing.'),
  invalid_json: row(400, 'invalid_request_error', false, 'The request body is not valid JSON.'),
  invalid_header: row(400, 'invalid_request_error', false, 'A request header is not valid.'),
  unsupported_grant_type: row(400, 'invalid_request_error', false, 'This grant_type is not supported.'),
  context_length_exceeded: row(400, 'invalid_request_error', false, 'Prompt and max_tokens do not fit the context.'),
  content_policy_violation: row(400, 'invalid_request_error', false, 'The prompt is against the content policy.'),
  missing_api_key: row(401, 'authentication_error', false, 'No API key was sent.'),
  invalid_api_key: row(401, 'authentication_error', false, 'The API key is not valid.'),
  invalid_token: row(401, 'authentication_error', false, 'The token or session is not valid or has ended.'),
  invalid_credentials: row(401, 'authentication_error', false, 'The username or the password is wrong.'),
  invalid_signature: row(401, 'authentication_error', false, 'The signature of the request is not valid.'),
  sign_in_failed: row(401, 'authentication_error', false, 'The sign-in did not succeed; begin it again.'),
  address_not_allowed: row(403, 'permission_error', false, 'This API key may not be used from this address.'),
  csrf_token_invalid: row(403, 'permission_error', false, "The request lacks the session's X-CSRF-Token."),
  registration_closed: row(403, 'permission_error', false, 'New accounts are made by an operator here.'),
  insufficient_scope: row(403, 'permission_error', false, 'This API key may not do that.'),
  https_required: row(403, 'permission_error', false, 'Use HTTPS. What this request carried was sent in the clear.'),
  not_found: row(404, 'not_found_error', false, 'There is nothing at this address.'),
  model_not_found: row(404, 'not_found_error', false, 'There is no such model.'),
  job_not_found: row(404, 'not_found_error', false, 'There is no such job.'),
  method_not_allowed: row(405, 'invalid_request_error', false, 'This address does not take that method.'),
  request_timeout: row(408, 'invalid_request_error', true, 'The request did not arrive in time.'),
  username_taken: row(409, 'conflict_error', false, 'Somebody has this username.'),
  job_exists: row(409, 'conflict_error', false, 'A job with this id exists with a different request.'),
  job_finished: row(409, 'conflict_error', false, 'The job has already finished.'),
  job_cancelled: row(409, 'conflict_error', false, 'The job was cancelled before it finished.'),
  idempotency_in_progress: row(409, 'conflict_error', true, 'A request with this Idempotency-Key is still running.'),
  payload_too_large: row(413, 'invalid_request_error', false, 'The request body is too large.'),
  unsupported_media_type: row(415, 'invalid_request_error', false, 'Send the body as application/json.'),
  headers_too_large: row(431, 'invalid_request_error', false, 'The request headers are too large.'),
  idempotency_mismatch: row(422, 'invalid_request_error', false, 'This Idempotency-Key was used with another request.'),
  too_many_attempts: row(429, 'rate_limit_error', true, 'Too many attempts; wait before the next.'),
  rate_limit_exceeded: row(429, 'rate_limit_error', true, 'Too many requests.'),
  token_limit_exceeded: row(429, 'rate_limit_error', true, 'Too many tokens within a minute.'),
  budget_exceeded: row(429, 'rate_limit_error', false, 'The token budget of the day or month is used up.'),
  tenant_queue_full: row(429, 'rate_limit_error', true, 'You have too many jobs waiting.'),
  queue_full: row(503, 'server_error', true, 'The queue is full.'),
  dependency_unavailable: row(503, 'server_error', true, 'A service this request needs is not available.'),
  shutting_down: row(503, 'server_error', true, 'This server is shutting down.'),
  deadline_exceeded: row(504, 'server_error', false, 'The deadline passed before the job finished.'),
  generation_failed: row(500, 'server_error', false, 'The generation failed and will not be retried.'),
  internal_error: row(500, 'server_error', true, 'Something went wrong on our side.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** The `error` object of every error answer, in the OpenAI shape: all four fields always present. */
export interface ErrorBody {
  message: string;
  type: ErrorType;
  param: string | null;
  code: ErrorCode;
}

export interface ErrorOptions {
  /** Public text; must never hold a secret, a path or a stack. */
  message?: string;
  /** The request field at fault, in dotted form (`logit_bias.50256`). */
  param?: string | null;
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number;
  /** What really happened, for the log alone. */
  cause?: unknown;
  /** What the audit log alone may say of it. */
  note?: RefusalNote | 'told';
}

/**
 * What a refusal's audit event says beyond the error's code and the route. Like every event it holds ids and names from tables only. `told` in its
 * place: the act has its event already.
 */
export interface RefusalNote {
  /** Default: what the code stands for. */
  action?: AuditAction;
  /** What was asked for: `user/user_1`. Default: the route. */
  resource?: string;
  tenant?: string;
  /** Id of the rule that refused. Default: the code. */
  reason?: string;
  details?: Readonly<Record<string, string | number | boolean>>;
}

/** An error a client may see. Anything else that is thrown becomes `internal_error` at the edge. */
export class InkwellError extends Error {
  readonly code: ErrorCode;
  readonly param: string | null;
  readonly retryAfterSeconds: number | undefined;
  /** Never part of an answer or a log line. */
  note: RefusalNote | 'told' | undefined;

  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    super(options.message ?? errorTable[code].message, { cause: options.cause });
    this.name = 'InkwellError';
    this.code = code;
    this.param = options.param ?? null;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.note = options.note;
  }

  get status(): number {
    return errorTable[this.code].status;
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable;
  }

  toBody(): ErrorBody {
    return { message: this.message, type: errorTable[this.code].type, param: this.param, code: this.code };
  }
}
