export type { Logger, LogOptions } from './log.ts';
export { createLog } from './log.ts';
export type { Metrics } from './metrics.ts';
export { createMetrics } from './metrics.ts';
export { type ProbeServer, type ProbeServerOptions, serveProbes } from './probe-server.ts';
