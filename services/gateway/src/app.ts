/**
 * The Express application: the gates in the order a request meets them, then the operations, then what is left over. An operation at a fixed
 * address is found by that at once; the router is asked for the others.
 */
import { withBudget } from '@inkwell/resilience';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { GatewayContext } from './context.ts';
import { dispatch } from './dispatch.ts';
import { cors } from './middleware/cors.ts';
import { errors } from './middleware/errors.ts';
import { throughGates } from './middleware/gate.ts';
import { byAddress, methodNotAllowed, notFound } from './middleware/not-found.ts';
import { observe } from './middleware/observe.ts';
import { processTime } from './middleware/process-time.ts';
import { refuseWhenClosing } from './middleware/refuse-when-closing.ts';
import { requestId } from './middleware/request-id.ts';
import { requireHttps } from './middleware/require-https.ts';
import { securityHeaders } from './middleware/security-headers.ts';
import { trustedHosts } from './middleware/trusted-hosts.ts';
import { operations } from './routes/operations.ts';

/** Handlers of what is at exactly one address, by method and address. */
type FixedHandlers = Map<string, RequestHandler>;

/**
 * Gives the request its budget, the time it may wait for dependencies over all its calls, and takes the short way where there is one: also for
 * errors, which the router would first offer to all that it knows.
 */
function enter(fixed: FixedHandlers, onError: ErrorRequestHandler, budgetMs: number): RequestHandler {
  return (request, response, next) => {
    const { url } = request;
    const end = url.indexOf('?');
    const handler = fixed.get(`${request.method} ${end < 0 ? url : url.slice(0, end)}`);
    return withBudget(budgetMs, async () => {
      if (handler === undefined) return next();
      try {
        await handler(request, response, next);
      } catch (error) {
        await onError(error, request, response, next);
      }
    });
  };
}

export function createApp(gateway: GatewayContext): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.set('query parser', false);
  const { config } = gateway;
  const fixed: FixedHandlers = new Map();
  const gates = [requestId, processTime, securityHeaders, observe(gateway)];
  gates.push(trustedHosts(config), requireHttps(config), cors(config), refuseWhenClosing(gateway));
  const onError = errors(gateway);
  app.use(throughGates(gates, enter(fixed, onError, config.requestBudgetMs)));
  for (const [address, own] of byAddress(operations)) {
    const path = address.replaceAll(/\{(\w+)\}/g, ':$1');
    for (const operation of own) {
      const handler = dispatch(operation, gateway);
      app[operation.method](path, handler);
      if (path === address) fixed.set(`${operation.method.toUpperCase()} ${address}`, handler);
    }
    app.all(path, methodNotAllowed(own));
  }
  app.use(notFound);
  app.use(onError);
  return app;
}
