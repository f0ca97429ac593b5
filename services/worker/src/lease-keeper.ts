/**
 * Renews the leases of all jobs this worker has, together, at a third of their time to live; those that were taken just now have theirs at the next turn. Tells when one was lost; a renewal that fails
 * is only logged, since the next comes before the lease runs out and the fence protects the story in any case.
 */
import { withDeadline } from '@inkwell/resilience';
import type { WorkerContext } from './context.ts';
import type { JobRun } from './job-run.ts';

export class LeaseKeeper {
  readonly #context: WorkerContext;
  readonly #runs: () => Iterable<JobRun>;
  readonly #onLost: (run: JobRun) => void;
  readonly #timer: NodeJS.Timeout;

  constructor(context: WorkerContext, runs: () => Iterable<JobRun>, onLost: (run: JobRun) => void) {
    this.#context = context;
    this.#runs = runs;
    this.#onLost = onLost;
    this.#timer = setInterval(() => this.#renewAll(), context.limits.leaseTtlMs / 3);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #renewAll(): void {
    const takenBefore = performance.now() - this.#context.limits.leaseTtlMs / 6;
    for (const run of this.#runs()) {
      if (run.fence > 0 && run.phase !== 'over' && run.leasedAt < takenBefore) void this.#renew(run);
    }
  }

  async #renew(run: JobRun): Promise<void> {
    const { ports, limits, log } = this.#context;
    try {
      const renewed = await withDeadline(
        ports.lease.renew(run.key, run.fence, limits.leaseTtlMs),
        'renew',
        limits.leaseTtlMs,
      );
      if (renewed === 'lost' && run.phase === 'running') this.#onLost(run);
    } catch (error) {
      log.warn({ err: error, job: run.key }, 'a lease could not be renewed; it is tried again');
    }
  }
}
