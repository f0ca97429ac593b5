export type { WorkerLimits, WorkerPorts } from './context.ts';
export { engineConfigOf } from './engine-process/engine-config.ts';
export type { EngineConfig } from './engine-process/protocol.ts';
export type { Worker, WorkerOptions, WorkerStats } from './worker.ts';
export { createWorker } from './worker.ts';
