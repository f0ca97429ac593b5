export type { Clock } from './clock.ts';
export { systemClock } from './clock.ts';
export type { BeginResult, IdempotencyClaim, IdempotencyStore, StoredResponse } from './idempotency-store.ts';
export type { ConsumeOptions, DeadLetter, Delivery, JobBus } from './job-bus.ts';
export type { CreateResult, JobFilter, JobPage, JobPatch, JobStore, QueueCounts, QueueLimits } from './job-store.ts';
export type { KeyStore } from './key-store.ts';
export type { Lease } from './lease.ts';
export type { ModelBackend, ModelBackendInfo, StepBatch } from './model-backend.ts';
export type { ResultStream } from './result-stream.ts';
