/** A worker as an operator sees it. */
import type { WorkerResource } from '@inkwell/contracts/http';
import type { WorkerEntry } from '@inkwell/ports';

function statusOf({ wish, draining, runningJobs, engine }: WorkerEntry): WorkerResource['status'] {
  if (wish === 'drain' || draining) return runningJobs > 0 ? 'draining' : 'drained';
  return engine === null ? 'loading' : 'ready';
}

export function toWorkerResource(worker: WorkerEntry): WorkerResource {
  return {
    id: worker.id,
    object: 'worker',
    status: statusOf(worker),
    host: worker.host,
    pid: worker.pid,
    model: worker.model,
    engine: worker.engine,
    started_at: worker.startedAt / 1000,
    seen_at: worker.seenAt / 1000,
    running_jobs: worker.runningJobs,
    queued_jobs: worker.queuedJobs,
    tokens_per_second: worker.tokensPerSecond,
    jobs_per_second: worker.jobsPerSecond,
  };
}
