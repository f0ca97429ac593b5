/**
 * From a request to its operation: the gates in the order a request meets them, then the operation. One at a fixed address is found by that at
 * once; for all others, and for what is left over, there is an Express application.
 */
import type { RequestListener } from 'node:http';
import { withBudget } from '@inkwell/resilience';
import express, {
  type ErrorRequestHandler,
  type Express,
  type Request,
  type RequestHandler,
  type Response,
} from 'express';
import type { GatewayContext } from './context.ts';
import { dispatch } from './dispatch.ts';
import { cors } from './middleware/cors.ts';
import { errors } from './middleware/errors.ts';
import type { Gate } from './middleware/gate.ts';
import { byAddress, methodNotAllowed, notFound } from './middleware/not-found.ts';
import { observe } from './middleware/observe.ts';
import { refuseWhenClosing } from './middleware/refuse-when-closing.ts';
import { requireHttps } from './middleware/require-https.ts';
import { responseHead } from './middleware/response-head.ts';
import { trustedHosts } from './middleware/trusted-hosts.ts';
import { operations } from './routes/operations.ts';

/** Handlers of what is at exactly one address, by method and address. */
type FixedHandlers = Map<string, RequestHandler>;

export interface App {
  /** Lends requests and responses its methods. */
  readonly express: Express;
  readonly serve: RequestListener;
}

/** Nothing comes behind the last handler. */
const nothing = () => {};

export function createApp(gateway: GatewayContext): App {
  const { config, log } = gateway;
  const gates: Gate[] = [responseHead, observe(gateway)];
  gates.push(trustedHosts(config), requireHttps(config), cors(config), refuseWhenClosing(gateway));
  const onError = errors(gateway);
  const { app, fixed } = route(gateway, onError);

  /** The short way, also for errors. */
  async function handle(request: Request, response: Response): Promise<void> {
    const { url } = request;
    const end = url.indexOf('?');
    const handler = fixed.get(`${request.method} ${end < 0 ? url : url.slice(0, end)}`);
    if (handler === undefined) app(request, response);
    else await handler(request, response, nothing);
  }

  async function serve(request: Request, response: Response): Promise<void> {
    request.originalUrl = request.url;
    response.locals = {};
    try {
      for (const gate of gates) if (!gate(request, response)) return;
      // How long it may wait for dependencies over all its calls.
      await withBudget(config.requestBudgetMs, () => handle(request, response));
    } catch (error) {
      await onError(error, request, response, nothing);
    }
  }

  return {
    express: app,
    serve(request, response) {
      serve(request as Request, response as Response).catch((error: unknown) => {
        log.error({ err: error }, 'an error could not be answered');
        response.destroy();
      });
    },
  };
}

/** Express with every operation; the handlers of those at fixed addresses also by that. */
function route(gateway: GatewayContext, onError: ErrorRequestHandler): { app: Express; fixed: FixedHandlers } {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.set('query parser', false);
  const fixed: FixedHandlers = new Map();
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
  return { app, fixed };
}
