/** What every part of the worker may use. Built once by `createWorker`; nothing here is global. */
import type { Logger, Metrics } from '@inkwell/observability';
import type { Clock, FactLog, JobBus, JobSteps, JobStore, Lease, RateLimiter, ResultStream } from '@inkwell/ports';

export interface WorkerPorts {
  jobBus: JobBus;
  jobStore: JobStore;
  jobSteps: JobSteps;
  resultStream: ResultStream;
  lease: Lease;
  factLog: FactLog;
  rateLimiter: RateLimiter;
}

export interface WorkerLimits {
  /** What a tenant may take per turn of the fair queue, in tokens. */
  quantumTokens: number;
  /** How long a job stays ours without a sign of life; renewed at a third of it. */
  leaseTtlMs: number;
  /** Least time between two appends of new text; the first text of a job does not wait. */
  flushIntervalMs: number;
  /** Engine crashes in a row without progress after which a job is given up. */
  maxFruitlessCrashes: number;
  /** Attempts in a row without progress, whatever ended them, after which a job is given up. */
  maxFruitlessAttempts: number;
  /** Queued jobs whose deadline has passed that are ended at the same time. */
  maxExpiringAtOnce: number;
  /** How long `stop` waits for what is being claimed, ended or handed over. */
  settleTimeoutMs: number;
  /** How often jobs are looked for that were accepted but never published. */
  sweepIntervalMs: number;
  /** Most milliseconds an engine may take to load its model. */
  engineStartTimeoutMs: number;
  /** Most milliseconds an engine may be silent; longer than any step. */
  engineHangTimeoutMs: number;
}

export const defaultWorkerLimits: WorkerLimits = {
  quantumTokens: 128,
  leaseTtlMs: 10_000,
  flushIntervalMs: 8,
  maxFruitlessCrashes: 3,
  maxFruitlessAttempts: 10,
  maxExpiringAtOnce: 32,
  settleTimeoutMs: 2_000,
  sweepIntervalMs: 30_000,
  engineStartTimeoutMs: 300_000,
  engineHangTimeoutMs: 30_000,
};

export interface WorkerContext {
  readonly workerId: string;
  readonly ports: WorkerPorts;
  readonly limits: WorkerLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Aborts when the worker stops. */
  readonly signal: AbortSignal;
}
