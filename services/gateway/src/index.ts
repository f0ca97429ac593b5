/** The HTTP ingress of Inkwell. */
export { apiKeyPrefix, hashApiKey, isPlausibleApiKey, makeApiKey } from './auth/api-key.ts';
export { issueApiKey } from './auth/issue-api-key.ts';
export type { DependencyPlan } from './bounded-ports.ts';
export type { GatewayConfig } from './config.ts';
export type { GatewayPorts, ServedModel, WorkerStats } from './context.ts';
export { clusterDependencies } from './dependency-plans.ts';
export { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
export { edgeConfigOf } from './http/edge-config.ts';
export { identityConfig } from './identity-config.ts';
export { watchPolicy } from './watch-policy.ts';
export { type WorkersView, watchWorkers } from './workers-view.ts';
