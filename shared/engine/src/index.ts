export type { CandidateDelta } from './candidate-delta.ts';
export type { EngineLoad, JobStep, StepReport } from './engine.ts';
export { defaultSchedulerLimits, Engine } from './engine.ts';
export type { ChoiceDelta } from './engine-job.ts';
export { UnrunnableJobError } from './engine-job.ts';
export type { FairItem } from './fair-queue.ts';
export { FairQueue } from './fair-queue.ts';
export type { SchedulerLimits } from './scheduler.ts';
export { TextStream } from './text-stream.ts';
