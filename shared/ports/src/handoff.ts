/**
 * Jobs that need not wait. A worker with free places offers them; a job that is accepted meanwhile is that worker's in the same step
 * (`JobSteps.accept`): recorded as begun, under a lease, with `job.started` as event 2, and never on the bus. Promises: a place is given away once;
 * no place of a worker that has withdrawn, or whose offer has run out, is given away; a job
 * whose deadline has passed is not handed over. Not promised: that the worker hears of
 * the job. One that it doesn't hear of lapses with its lease, like that of a worker that died.
 */
import type { JobKey, JobRecord } from '@inkwell/contracts';

export interface HandedJob {
  record: JobRecord;
  /** Of its lease. */
  fence: number;
}

export interface HandoffReceiver {
  /** Unique among all workers, also those of earlier starts. */
  workerId: string;
  /** How long an offer holds unless it is renewed. */
  offerTtlMs: number;
  /** How long the lease of a job lasts that is handed over. */
  leaseTtlMs: number;
  /** Must not throw. */
  onJob(job: HandedJob): void;
}

/** What one worker offers. */
export interface PlaceOffer {
  /** Places offered and, as far as is known here, not given away. */
  readonly open: number;
  /** Offers so many places, each for one sequence, instead of what was offered before. */
  offer(places: number): Promise<void>;
  /** Withdraws what is offered and hears of no more jobs. Best effort: a job may be under way. */
  close(): Promise<void>;
}

export interface Handoff {
  /** Resolves once nothing that is handed over can be missed. */
  receive(receiver: HandoffReceiver): Promise<PlaceOffer>;
  /** Gives up the leases that finished jobs have kept. */
  settled(keys: readonly JobKey[]): Promise<void>;
}
