/** One log line and one set of metrics per request, when it is over. Routes are labelled by pattern, so labels stay few. */
import type { GatewayContext } from '../context.ts';
import type { Gate } from './gate.ts';

export function observe({ log, metrics }: GatewayContext): Gate {
  return (request, response) => {
    response.on('close', () => {
      const seconds = (performance.now() - (response.locals.startedAt as number)) / 1_000;
      const route = (response.locals.route as string | undefined) ?? 'none';
      const { method } = request;
      // A client that left before its answer gets the number nginx gave this case.
      const status = response.headersSent ? response.statusCode : 499;
      metrics.httpRequests.inc({ method, route, status: String(status) });
      metrics.httpDuration.observe({ method, route }, seconds);
      const finished = response.writableFinished;
      const requestId: unknown = response.locals.requestId;
      log.info({ requestId, method, route, status, seconds, finished }, 'request');
    });
    return true;
  };
}
