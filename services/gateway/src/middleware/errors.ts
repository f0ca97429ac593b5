/** The one place where something thrown becomes an answer. What really happened goes to the log, never to the client. */
import type { ErrorRequestHandler } from 'express';
import { recordRefusal } from '../audit/refusals.ts';
import type { GatewayContext } from '../context.ts';
import { errorAnswer, oauthErrorAnswer, toInkwellError } from '../http/error-answer.ts';
import { sendAnswer } from '../http/send-answer.ts';

export function errors(gateway: GatewayContext): ErrorRequestHandler {
  const { log, metrics } = gateway;
  return async (thrown: unknown, request, response, _next) => {
    const error = await recordRefusal(gateway, request, response, toInkwellError(thrown));
    const requestId = response.locals.requestId as string;
    metrics.errors.inc({ code: error.code });
    if (error.status >= 500) log.error({ requestId, code: error.code, err: error.cause ?? error }, error.message);
    // Messages repeat names that the client chose, and what a client takes for a name may be anything.
    else log.debug({ requestId, code: error.code }, 'refused');
    if (response.headersSent) response.destroy();
    else if (response.locals.errorShape === 'oauth') sendAnswer(response, oauthErrorAnswer(error));
    else sendAnswer(response, errorAnswer(error, request.headers.accept, requestId));
  };
}
