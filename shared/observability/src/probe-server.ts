/**
 * What a process without an HTTP interface of its own shows to Prometheus and to an orchestrator: `/metrics`, `/health/liveness` and
 * `/health/readiness`. No tenant's data, nothing to change; bind it where only monitoring reaches it.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.ts';

export interface ProbeServerOptions {
  /** 0 takes any free one. */
  port: number;
  host: string;
  metrics: Metrics;
  /** Whether work sent here now would be done. */
  isReady(): boolean;
  /** Called before metrics are read, for gauges whose truth lies elsewhere; bounded by its maker. */
  refresh?(): Promise<void>;
}

export interface ProbeServer {
  url: string;
  close(): Promise<void>;
}

const requestTimeoutMs = 5_000;

/** Rejects when the address is taken. */
export async function serveProbes({ port, host, metrics, isReady, refresh }: ProbeServerOptions): Promise<ProbeServer> {
  const answers: Readonly<Record<string, () => Promise<[number, string, string]>>> = {
    '/metrics': async () => {
      await refresh?.();
      return [200, metrics.registry.contentType, await metrics.registry.metrics()];
    },
    '/health/liveness': async () => [200, 'application/json', '{"status":"ok"}'],
    '/health/readiness': async () =>
      isReady() ? [200, 'application/json', '{"status":"ok"}'] : [503, 'application/json', '{"status":"unavailable"}'],
  };
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
    (request, response) => {
      const answer = request.method === 'GET' ? answers[request.url ?? ''] : undefined;
      const send = (status: number, contentType: string, body: string) =>
        response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body);
      if (answer === undefined) return void send(404, 'text/plain', 'There is nothing at this address.\n');
      answer().then(
        (found) => send(...found),
        () => send(500, 'text/plain', 'The metrics could not be read.\n'),
      );
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
