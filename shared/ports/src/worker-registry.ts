/**
 * Which workers live, how they are, and what is asked of them. Promises: a worker that stops its heartbeats is forgotten after its time to
 * live; what was asked of a worker is answered by its next heartbeat. Not promised: that a listed worker still lives in that instant.
 */
export interface WorkerReport {
  /** Unique among all workers, also those of earlier starts. */
  id: string;
  host: string;
  pid: number;
  /** Unix milliseconds. */
  startedAt: number;
  model: string;
  /** Backend and device, for people; null while the engine loads. */
  engine: string | null;
  /** Takes jobs now. */
  ready: boolean;
  draining: boolean;
  queuedJobs: number;
  runningJobs: number;
  /** Per second of busy time; 0 while nothing is known. */
  tokensPerSecond: number;
  jobsPerSecond: number;
}

/** What an operator wants of a worker: `drain` = finish what runs, take nothing new. */
export type WorkerWish = 'run' | 'drain';

export interface WorkerEntry extends WorkerReport {
  /** Unix milliseconds of the last heartbeat. */
  seenAt: number;
  wish: WorkerWish;
}

/** What the bits that a worker computes depend on, by the name of the setting or file that decides it. */
export type Numerics = Readonly<Record<string, string>>;

export interface WorkerRegistry {
  /** Says that the worker lives for `ttlMs` more, and hears what is asked of it. */
  heartbeat(report: WorkerReport, ttlMs: number): Promise<WorkerWish>;
  /** Forgets the worker at once. */
  leave(id: string): Promise<void>;
  /** Living workers, by id. */
  list(): Promise<WorkerEntry[]>;
  /** False when no such worker lives. */
  ask(id: string, wish: WorkerWish): Promise<boolean>;
  /**
   * Proposes numerics and answers those that hold, in one step: the proposal if it is they, or none hold, or those that do were not confirmed in their time to
   * live and `mayReplace` says that nothing depends on them. Holds them for `ttlMs` more if they are the proposal.
   */
  agree(numerics: Numerics, ttlMs: number, mayReplace: boolean): Promise<Numerics>;
}
