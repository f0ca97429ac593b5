/** From an HTTP request to an operation's handler: authenticate, authorize, read, validate, handle, answer. In that order, for all of them. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { type Caller, localMonitor, nobody } from './auth/caller.ts';
import type { GatewayContext } from './context.ts';
import { canonicalJson } from './http/canonical-json.ts';
import { parseQuery } from './http/parse-query.ts';
import { sendAnswer } from './http/send-answer.ts';
import { validate } from './http/validate.ts';
import { authenticate } from './middleware/authenticate.ts';
import { authorize } from './middleware/authorize.ts';
import { isLocalMonitor } from './middleware/local-monitor.ts';
import { readJsonBody } from './middleware/read-json-body.ts';
import type { Operation } from './operation.ts';

const noQuery = z.strictObject({});

function queryOf(operation: Operation, url: string): unknown {
  // Probes and pages are often called with a cache-busting query; elsewhere an unknown parameter is a mistake worth telling.
  if (operation.access === 'open' && !operation.query) return {};
  return validate<unknown>(operation.query ?? noQuery, parseQuery(url));
}

async function callerOf(operation: Operation, request: IncomingMessage, gateway: GatewayContext): Promise<Caller> {
  const { access } = operation;
  if (access === 'open') return nobody;
  const caller = access === 'monitor' && isLocalMonitor(request) ? localMonitor : await authenticate(request, gateway);
  authorize(caller, operation);
  return caller;
}

export function dispatch(operation: Operation, gateway: GatewayContext): RequestHandler {
  return async (request, response) => {
    response.locals.route = operation.path;
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) gone.abort();
    });
    const caller = await callerOf(operation, request, gateway);
    const query = queryOf(operation, request.originalUrl);
    const raw = operation.body ? await readJsonBody(request, response, gateway.config.bodyLimitBytes) : undefined;
    const body = operation.body ? validate<unknown>(operation.body, raw) : undefined;
    const identity = [request.method, request.path, request.headers['cancel-after'] ?? '', canonicalJson(raw)];
    const answer = await operation.handle(
      {
        request,
        response,
        requestId: response.locals.requestId as string,
        caller,
        params: operation.params ? validate<unknown>(operation.params, request.params) : {},
        query,
        body,
        requestHash: createHash('sha256').update(identity.join('\n')).digest('hex'),
        gone: gone.signal,
      },
      gateway,
    );
    if (answer) sendAnswer(response, answer);
  };
}
