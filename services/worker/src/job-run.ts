/**
 * One job while this worker has it: the lease, the story as far as it is written, and what the engine has drawn. Pure state; the phases and
 * who moves it from one to the next:
 *
 *   claiming → running   `claimJob`: lease taken; a job that was handed to us begins there
 *   claiming → ending    `claimJob`: it had ended, is past its deadline or is given up
 *   running  → ending    the engine finished it, its deadline passed, or it is given up
 *   any      → over      the delivery is settled, or another writer has taken the job from us
 */
import type { JobKey, JobRecord, NewJobEvent } from '@inkwell/contracts';
import type { Delivery } from '@inkwell/ports';
import { PendingEvents } from './pending-events.ts';

export type JobPhase = 'claiming' | 'running' | 'ending' | 'over';
export type WriteResult = 'ok' | 'stale' | 'stopped';

export class JobRun {
  readonly key: JobKey;
  /** The newest delivery of the job: the one that can still be settled. */
  delivery: Delivery;
  /** A newer delivery came while it was here: should this one not settle it, that one must be looked at. */
  deliveredAgain = false;
  /** It came from whoever accepted it, and the bus has never had it. */
  handed = false;
  phase: JobPhase = 'claiming';
  /** Of its lease; 0 before there is one. */
  fence = 0;
  /** When its lease was taken, on the process's own clock. */
  leasedAt = 0;
  /** Number of the last event written. */
  seq = 0;
  /** Delta events written so far, in order. */
  readonly story: NewJobEvent[] = [];
  readonly pending = new PendingEvents();
  /** Tokens drawn so far per choice, written or not. */
  tokens: number[][] = [];
  /** Choices whose text has ended. */
  endedChoices = 0;
  /** The append under way or last done; the next one waits for it. */
  lastWrite: Promise<WriteResult> = Promise.resolve('ok');
  writing = false;
  /** It has something pending that is to be written soon. */
  dirty = false;
  /** Engine crashes since the last progress. */
  fruitlessCrashes = 0;
  /** Unix milliseconds of the last token, for the metrics. */
  lastTokenAt: number | null = null;

  #record: JobRecord | undefined;

  /** @param record if it is known before the job is claimed */
  constructor(delivery: Delivery, record?: JobRecord) {
    this.key = delivery.message.key;
    this.delivery = delivery;
    if (record !== undefined) this.record = record;
  }

  leased(fence: number): void {
    this.fence = fence;
    this.leasedAt = performance.now();
  }

  get hasRecord(): boolean {
    return this.#record !== undefined;
  }

  get record(): JobRecord {
    if (this.#record === undefined) throw new Error(`the record of ${this.key} has not been read`);
    return this.#record;
  }

  set record(record: JobRecord) {
    if (this.#record === undefined) {
      this.tokens = Array.from({ length: record.spec.prompts.length * record.spec.n }, () => []);
    }
    this.#record = record;
  }

  /** Whether candidates are compared and nothing is shown before the end; then a restart begins anew. */
  get ranked(): boolean {
    return this.record.spec.bestOf > this.record.spec.n;
  }
}
