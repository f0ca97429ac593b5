/** What an operator may set of the gateway, with defaults for everything but the secret. */
import type { GithubSettings } from '@inkwell/identity';
import { noRates, type RateSettings } from '@inkwell/limits';
import type { QueueLimits } from '@inkwell/ports';
import { defaultEdge, type EdgeConfig } from './http/edge-config.ts';

export interface GatewayConfig extends EdgeConfig {
  /** Secret under which API keys are hashed; at least 32 bytes. */
  keySecret: string | Uint8Array;
  limits: QueueLimits;
  rates: RateSettings;
  /** How long one call to a store, stream or bus may take. */
  dependencyTimeoutMs: number;
  /** How long a request may wait for its calls in all, before the client gets a 503; also how long one that waits for a job bears an outage. */
  requestBudgetMs: number;
  /** How long a dependency that is down is left alone before one call tries whether it is back. */
  dependencyRestMs: number;
  /** How often each dependency is asked whether it is there. */
  pulseMs: number;
  /** How long an open stream bears an outage before it ends, so that its client comes back elsewhere. */
  streamPatienceMs: number;
  bodyLimitBytes: number;
  /** How long a client may take to send its whole request. The answer may take as long as it needs. */
  requestTimeoutMs: number;
  /** Most connections at the same time; those beyond are closed at once. */
  maxConnections: number;
  /** Silence on a stream after which a comment is sent. */
  heartbeatMs: number;
  /** How long a client may leave a stream unread before it is dropped. */
  stallLimitMs: number;
  /** How long an answer is remembered for its Idempotency-Key. */
  idempotencyRetentionMs: number;
  /** After this long an unanswered Idempotency-Key may be taken up by a repeat. */
  idempotencyClaimMs: number;
  /** How long the inference of `/api/health/status` may take. */
  healthTimeoutMs: number;
  /** Secrets that sign tokens and sessions, newest first; at least 32 bytes each. Default: the key secret. */
  tokenSecrets?: readonly (string | Uint8Array)[];
  /** `iss` of access tokens. */
  issuer: string;
  accessTokenTtlMs: number;
  /** How long a refresh token may lie unused. */
  refreshTokenTtlMs: number;
  /** How long a sign-in may be refreshed in all. */
  longestSessionMs: number;
  browserSessionTtlMs: number;
  /** Whether people may make accounts for themselves. */
  openRegistration: boolean;
  /** Where clients reach this installation (`https://…`), without a slash at the end. */
  publicUrl?: string;
  github?: GithubSettings;
  /** Room for kept answers of deterministic requests; 0 keeps none. */
  responseCacheBytes: number;
}

const defaults: Omit<GatewayConfig, 'keySecret'> = {
  ...defaultEdge,
  limits: { maxQueued: 20_000, maxQueuedPerTenant: 10_000 },
  rates: {
    ipRequestsPerMinute: null,
    readsPerMinute: 6_000,
    user: { ...noRates, requestsPerMinute: 10 },
    key: { ...noRates, requestsPerMinute: 100 },
  },
  dependencyTimeoutMs: 2_000,
  requestBudgetMs: 3_000,
  dependencyRestMs: 500,
  pulseMs: 500,
  streamPatienceMs: 30_000,
  bodyLimitBytes: 1_048_576,
  requestTimeoutMs: 30_000,
  maxConnections: 20_000,
  heartbeatMs: 15_000,
  stallLimitMs: 30_000,
  idempotencyRetentionMs: 86_400_000,
  idempotencyClaimMs: 30_000,
  healthTimeoutMs: 10_000,
  issuer: 'inkwell',
  accessTokenTtlMs: 900_000,
  refreshTokenTtlMs: 30 * 86_400_000,
  longestSessionMs: 90 * 86_400_000,
  browserSessionTtlMs: 12 * 3_600_000,
  openRegistration: true,
  responseCacheBytes: 33_554_432,
};

export function resolveConfig(given: Pick<GatewayConfig, 'keySecret'> & Partial<GatewayConfig>): GatewayConfig {
  if (given.keySecret.length < 32) throw new Error('keySecret must have at least 32 bytes');
  return { ...defaults, ...given };
}
