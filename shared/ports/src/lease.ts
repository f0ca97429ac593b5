/**
 * Who may write for a job now. A lease has a fencing token that grows with every acquisition of that job, for ever; a writer with an older
 * token is refused by the stream and the store. Not promised: that a holder notices at once that it lost the lease.
 */
import type { JobKey } from '@inkwell/contracts';

export interface Lease {
  /** Takes the lease if nobody holds it or it has run out. Fences start at 1. */
  acquire(key: JobKey, owner: string, ttlMs: number): Promise<{ fence: number } | 'held'>;
  /** Takes the lease whoever holds it: for cancelling. The former holder's next write is refused. */
  seize(key: JobKey, owner: string, ttlMs: number): Promise<{ fence: number }>;
  /** `lost` when a newer fence exists. A lease that ran out but was taken by nobody may be renewed. */
  renew(key: JobKey, fence: number, ttlMs: number): Promise<'ok' | 'lost'>;
  /** Gives the lease up; the fence stays spent. A stale fence changes nothing. */
  release(key: JobKey, fence: number): Promise<void>;
  /** Jobs whose lease ran out without being given up or taken, oldest first: their holder died, or was stopped for too long. */
  lapsed(limit: number): Promise<JobKey[]>;
}
