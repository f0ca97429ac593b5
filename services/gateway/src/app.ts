/** The Express application: middleware in the order a request meets it, then the operations, then what is left over. */
import express, { type Express } from 'express';
import type { GatewayContext } from './context.ts';
import { dispatch } from './dispatch.ts';
import { budget } from './middleware/budget.ts';
import { compress } from './middleware/compress.ts';
import { cors } from './middleware/cors.ts';
import { errors } from './middleware/errors.ts';
import { byAddress, methodNotAllowed, notFound } from './middleware/not-found.ts';
import { observe } from './middleware/observe.ts';
import { processTime } from './middleware/process-time.ts';
import { refuseWhenClosing } from './middleware/refuse-when-closing.ts';
import { requestId } from './middleware/request-id.ts';
import { requireHttps } from './middleware/require-https.ts';
import { securityHeaders } from './middleware/security-headers.ts';
import { trustedHosts } from './middleware/trusted-hosts.ts';
import { operations } from './routes/operations.ts';

export function createApp(gateway: GatewayContext): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.enable('case sensitive routing');
  app.set('query parser', false);
  app.use(requestId, processTime, securityHeaders, observe(gateway));
  app.use(trustedHosts(gateway.config), requireHttps(gateway.config), cors(gateway.config), compress);
  app.use(refuseWhenClosing(gateway), budget(gateway));
  for (const [address, own] of byAddress(operations)) {
    const path = address.replaceAll(/\{(\w+)\}/g, ':$1');
    for (const operation of own) app[operation.method](path, dispatch(operation, gateway));
    app.all(path, methodNotAllowed(own));
  }
  app.use(notFound);
  app.use(errors(gateway));
  return app;
}
