/** From an HTTP request to an operation's handler: authenticate, authorize, limit, read, validate, handle, answer. In that order, for all of them. */
import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { InkwellError } from '@inkwell/contracts';
import type { Request, RequestHandler, Response } from 'express';
import { z } from 'zod';
import { type Caller, localMonitor, nobody } from './auth/caller.ts';
import { checkRequestSignature } from './auth/check-signature.ts';
import type { GatewayContext } from './context.ts';
import { canonicalJson } from './http/canonical-json.ts';
import { errorAnswer } from './http/error-answer.ts';
import { Gone } from './http/gone.ts';
import { parseQuery } from './http/parse-query.ts';
import { sendAnswer } from './http/send-answer.ts';
import { validate } from './http/validate.ts';
import { limitCall } from './limits/limit-call.ts';
import { authenticate } from './middleware/authenticate.ts';
import { authorize } from './middleware/authorize.ts';
import { isLocalMonitor } from './middleware/local-monitor.ts';
import { readBody } from './middleware/read-body.ts';
import type { Call, Operation } from './operation.ts';

const noQuery = z.strictObject({});
const empty: Readonly<Record<string, never>> = {};

function queryOf(operation: Operation, url: string): unknown {
  // Probes and pages are often called with a cache-busting query; elsewhere an unknown parameter is a mistake worth telling.
  if (operation.access === 'open' && !operation.query) return empty;
  if (operation.query === undefined && !url.includes('?')) return empty;
  return validate<unknown>(operation.query ?? noQuery, parseQuery(url));
}

async function callerOf(
  operation: Operation,
  request: IncomingMessage,
  response: Response,
  gateway: GatewayContext,
): Promise<Caller> {
  const { access } = operation;
  if (access === 'open') return nobody;
  const caller = access === 'monitor' && isLocalMonitor(request) ? localMonitor : await authenticate(request, gateway);
  response.locals.caller = caller;
  authorize(caller, operation);
  return caller;
}

/** When what the caller came with is revoked, the answer ends: with an error if nothing of it was sent, else with the connection. Answers how to be left out of it. */
function endWhenRevoked(
  caller: Caller,
  { identity }: GatewayContext,
  request: IncomingMessage,
  response: Response,
  gone: Gone,
): () => void {
  const end = () => {
    const error = new InkwellError(caller.kind === 'key' ? 'invalid_api_key' : 'invalid_token');
    const requestId = response.locals.requestId as string;
    if (response.headersSent) response.destroy();
    else sendAnswer(response, errorAnswer(error, request.headers.accept, requestId));
    gone.abort();
  };
  const remove = identity.openCalls.add({ caller, end });
  response.on('close', remove);
  return remove;
}

type Given = Omit<Call, 'gone' | 'requestHash'>;

/** What most calls never ask for is made when it is. */
class HandledCall implements Call {
  readonly request: Request;
  readonly response: Response;
  readonly requestId: string;
  readonly caller: Caller;
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly outliveRevocation: () => void;
  readonly #raw: unknown;
  readonly #gone: Gone;

  /** @param raw the body as it was read, before it was validated */
  constructor(given: Given & { request: Request; response: Response }, raw: unknown, gone: Gone) {
    this.request = given.request;
    this.response = given.response;
    this.requestId = given.requestId;
    this.caller = given.caller;
    this.params = given.params;
    this.query = given.query;
    this.body = given.body;
    this.outliveRevocation = given.outliveRevocation;
    this.#raw = raw;
    this.#gone = gone;
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  get requestHash(): string {
    const { method, path, headers } = this.request;
    return hash('sha256', [method, path, headers['cancel-after'] ?? '', canonicalJson(this.#raw)].join('\n'));
  }
}

export function dispatch(operation: Operation, gateway: GatewayContext): RequestHandler {
  return async (request, response) => {
    response.locals.route = operation.path;
    response.locals.errorShape = operation.errorShape;
    const gone = new Gone();
    response.on('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    const caller = await callerOf(operation, request, response, gateway);
    const outliveRevocation = endWhenRevoked(caller, gateway, request, response, gone);
    await limitCall(gateway, operation, { caller, request, response });
    const query = queryOf(operation, request.originalUrl);
    const limitBytes = gateway.config.bodyLimitBytes;
    const read = operation.body && (await readBody(request, response, limitBytes, operation.bodyTypes ?? ['json']));
    await checkRequestSignature(gateway, caller, request, read?.bytes);
    const raw = read?.value;
    const body = operation.body ? validate<unknown>(operation.body, raw) : undefined;
    const call = new HandledCall(
      {
        request,
        response,
        requestId: response.locals.requestId as string,
        caller,
        params: operation.params ? validate<unknown>(operation.params, request.params) : empty,
        query,
        body,
        outliveRevocation,
      },
      raw,
      gone,
    );
    const answer = await operation.handle(call, gateway);
    if (answer) sendAnswer(response, answer);
  };
}
