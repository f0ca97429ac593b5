/** What every part of the gateway may use. Built once by `createGateway`; nothing here is global. */
import type { Tokenizer } from '@inkwell/gpt2';
import type { ReadGate } from '@inkwell/limits';
import type { Logger, Metrics } from '@inkwell/observability';
import type {
  Announcements,
  AttemptStore,
  AuditLog,
  Clock,
  FactLog,
  IdempotencyStore,
  JobBus,
  JobSteps,
  JobStore,
  KeyStore,
  Lease,
  RateLimiter,
  ResultStream,
  RevocationStore,
  SessionStore,
  UsageLedger,
  UserStore,
  WorkerRegistry,
} from '@inkwell/ports';
import type { ContentPolicy } from '@inkwell/safety';
import type { FactTrail } from './audit/fact-trail.ts';
import type { Identity } from './auth/identity.ts';
import type { Dependency } from './bounded-ports.ts';
import type { GatewayConfig } from './config.ts';
import type { Heartbeat } from './delivery/heartbeat.ts';
import type { Readers } from './delivery/readers.ts';
import type { PublishedMarks } from './jobs/published-marks.ts';
import type { ResponseCache } from './jobs/response-cache.ts';
import type { Lifecycle } from './lifecycle.ts';

export interface GatewayPorts {
  jobStore: JobStore;
  jobSteps: JobSteps;
  resultStream: ResultStream;
  lease: Lease;
  jobBus: JobBus;
  keyStore: KeyStore;
  idempotencyStore: IdempotencyStore;
  workerRegistry: WorkerRegistry;
  userStore: UserStore;
  sessionStore: SessionStore;
  revocationStore: RevocationStore;
  attemptStore: AttemptStore;
  announcements: Announcements;
  factLog: FactLog;
  auditLog: AuditLog;
  usageLedger: UsageLedger;
  rateLimiter: RateLimiter;
}

export interface ServedModel {
  id: string;
  /** Unix seconds. */
  created: number;
  /** Tokens that prompt and output share. */
  contextLength: number;
  tokenizer: Pick<Tokenizer, 'encode' | 'decode' | 'vocabSize'>;
}

/** Measured throughput of the workers this gateway feeds; zero while nothing is known. */
export interface WorkerStats {
  tokensPerSecond: number;
  jobsPerSecond: number;
  /** Whether a worker can take jobs now. */
  ready: boolean;
}

export interface GatewayContext {
  readonly ports: GatewayPorts;
  readonly dependencies: readonly Dependency[];
  /** At least one; the first is the default where a request may leave the model out. */
  readonly models: readonly ServedModel[];
  readonly config: GatewayConfig;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly workerStats: () => WorkerStats;
  readonly version: string;
  /** Brings gauges up to date whose truth is not with us; asked before metrics are shown. */
  readonly refreshMetrics: () => Promise<void>;
  /** The OpenAPI document of what is served. */
  readonly openApi: () => object;
  readonly lifecycle: Lifecycle;
  readonly readers: Readers;
  /** Of all open streams. */
  readonly heartbeat: Heartbeat;
  readonly publishedMarks: PublishedMarks;
  readonly responseCache: ResponseCache;
  /** The rules in force at this moment. */
  readonly policy: () => ContentPolicy;
  readonly identity: Identity;
  readonly trail: FactTrail;
  readonly readGate: ReadGate;
}
