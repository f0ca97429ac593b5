/**
 * The HTTP ingress: authenticates, validates, makes jobs durable and tells their stories. It runs no model and keeps no state that a restart
 * would miss; composition, configuration and the worker are others' business.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createReadGate, withFallback } from '@inkwell/limits';
import type { Logger, Metrics } from '@inkwell/observability';
import type { Clock } from '@inkwell/ports';
import { type ContentPolicy, readDefaultPolicy } from '@inkwell/safety';
import { createApp } from './app.ts';
import { FactTrail } from './audit/fact-trail.ts';
import { createIdentity } from './auth/identity.ts';
import { boundPorts, type DependencyPlan } from './bounded-ports.ts';
import { type GatewayConfig, resolveConfig } from './config.ts';
import type { GatewayContext, GatewayPorts, ServedModel, WorkerStats } from './context.ts';
import { Heartbeat } from './delivery/heartbeat.ts';
import { Readers } from './delivery/readers.ts';
import { embeddedDependencies } from './dependency-plans.ts';
import { messageClassesOf } from './http/message-classes.ts';
import { PublishedMarks } from './jobs/published-marks.ts';
import { ResponseCache } from './jobs/response-cache.ts';
import { createLifecycle } from './lifecycle.ts';
import { reportFallback } from './limits/report-fallback.ts';
import { answerClientErrors } from './middleware/client-errors.ts';
import { openApiDocument } from './openapi/document.ts';
import { reportDependencies } from './report-dependencies.ts';
import { operations } from './routes/operations.ts';

export interface GatewayOptions {
  ports: GatewayPorts;
  /** What stands behind the ports; each port belongs to one. Default: one store behind all. */
  dependencies?: readonly DependencyPlan[];
  /** At least one; the first is the default where a request may leave the model out. */
  models: readonly ServedModel[];
  /** Everything but `keySecret` has a default. */
  config: Pick<GatewayConfig, 'keySecret'> & Partial<GatewayConfig>;
  log: Logger;
  metrics: Metrics;
  clock: Clock;
  /** Without it readiness means the store alone, and nothing is estimated. */
  workerStats?: () => WorkerStats;
  /** The content policy in force; left out, the default one. */
  policy?: () => ContentPolicy;
  version: string;
  /** Brings gauges up to date whose truth is not with the gateway; its failure is only logged. */
  refreshMetrics?: () => Promise<void>;
}

export interface Gateway {
  /** Port 0 takes any free one. Rejects with an Error for people when the address is taken. */
  listen(port: number, host: string): Promise<{ url: string; port: number }>;
  /** Takes nothing new, ends resumable streams, lets the rest finish for `graceMs`, then cuts. */
  close(graceMs: number): Promise<void>;
}

const unknownStats: WorkerStats = { tokensPerSecond: 0, jobsPerSecond: 0, ready: true };

const headersTimeoutMs = 10_000;
const serverLimits = {
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16_384,
};

/** Between the cut and the end of every connection: time for the last answers to be written. */
const lastWordsMs = 250;
const sweepMs = 20;
/** How long closing waits for facts that aren't durable yet. */
const lastFactsMs = 2_000;

function defaultPolicy(): () => ContentPolicy {
  const policy = readDefaultPolicy();
  return () => policy;
}

function toContext(options: GatewayOptions): GatewayContext {
  const config = resolveConfig(options.config);
  if (options.models.length === 0) throw new Error('a gateway needs at least one model');
  const { log, clock } = options;
  const bounded = boundPorts(
    options.ports,
    options.dependencies ?? embeddedDependencies,
    config,
    reportDependencies(options),
  );
  let document: object | undefined;
  const rateLimiter = withFallback(bounded.ports.rateLimiter, {
    clock: options.clock,
    onChange: reportFallback(options),
  });
  return {
    ...bounded,
    ports: { ...bounded.ports, rateLimiter },
    readGate: createReadGate(config.rates.readsPerMinute),
    identity: createIdentity({ ports: bounded.ports, config, clock, log }),
    models: options.models,
    config,
    log: options.log,
    metrics: options.metrics,
    clock: options.clock,
    workerStats: options.workerStats ?? (() => unknownStats),
    version: options.version,
    refreshMetrics: options.refreshMetrics ?? (async () => {}),
    openApi: () => {
      document ??= openApiDocument(operations, options.version);
      return document;
    },
    lifecycle: createLifecycle(),
    readers: new Readers(),
    heartbeat: new Heartbeat(config.heartbeatMs),
    publishedMarks: new PublishedMarks(bounded.ports.jobStore, log),
    responseCache: new ResponseCache(options.clock, config.responseCacheBytes),
    policy: options.policy ?? defaultPolicy(),
    trail: new FactTrail(bounded.ports.factLog, options.log),
  };
}

function forPeople(error: NodeJS.ErrnoException, port: number): Error {
  if (error.code !== 'EADDRINUSE') return error;
  return new Error(`Port ${port} is taken. Stop what uses it, or start with another: PORT=0 takes any free one.`);
}

export function createGateway(options: GatewayOptions): Gateway {
  const context = toContext(options);
  const { identity, lifecycle } = context;
  const { express, serve } = createApp(context);
  const { requestTimeoutMs } = context.config;
  const server = createServer(
    {
      ...messageClassesOf(express),
      ...serverLimits,
      requestTimeout: requestTimeoutMs,
      headersTimeout: Math.min(headersTimeoutMs, requestTimeoutMs),
    },
    serve,
  );
  server.maxConnections = context.config.maxConnections;
  answerClientErrors(server);
  return {
    async listen(port, host) {
      await identity.start();
      await new Promise<void>((resolve, reject) => {
        const refuse = (error: Error) => reject(forPeople(error, port));
        server.once('error', refuse);
        server.listen(port, host, () => {
          server.off('error', refuse);
          resolve();
        });
      });
      const address = server.address() as AddressInfo;
      const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
      return { url: `http://${name}:${address.port}`, port: address.port };
    },
    async close(graceMs) {
      lifecycle.beginClosing();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // A connection kept alive becomes idle when its last answer is out, and would hold the server open for its whole timeout.
      const sweep = setInterval(() => server.closeIdleConnections(), sweepMs);
      const cut = setTimeout(lifecycle.cut, graceMs);
      const end = setTimeout(() => server.closeAllConnections(), graceMs + lastWordsMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(cut);
      clearTimeout(end);
      await lifecycle.settled();
      await identity.stop();
      await context.trail.settle(lastFactsMs);
      for (const { breaker } of context.dependencies) breaker.close();
    },
  };
}
