/**
 * Continues jobs whose worker died without a word. A bus may take long to notice a dead consumer; a lease runs out in a second or two, and
 * whoever finds it first takes the job over in mid-sentence. The bus has the message, or is given it now if the job was handed to the worker that
 * died, and delivers it in its own time: to us, who then have the job and settle it, or to another, who finds the lease held and later the
 * job finished.
 */
import { isTerminal, type JobKey, type JobRecord, toJobMessage } from '@inkwell/contracts';
import type { Delivery } from '@inkwell/ports';
import type { WorkerContext } from './context.ts';
import { persist } from './persist.ts';

/** Jobs taken over in one round. */
const atOnce = 64;

/** Stands for the message that is still with the bus: settling it settles nothing. A job that is not taken over now lapses again. */
function standIn(record: JobRecord): Delivery {
  const nothing = async () => {};
  return { message: toJobMessage(record), attempt: 1, ack: nothing, retry: nothing, deadLetter: nothing };
}

/** Nobody will finish this one: it has ended, or its record is gone. Its lease must not come up again. */
async function closeLease(context: WorkerContext, key: JobKey): Promise<void> {
  const { lease } = context.ports;
  const taken = await lease.acquire(key, context.workerId, context.limits.leaseTtlMs);
  if (taken !== 'held') await lease.release(key, taken.fence);
}

export interface RescueDesk {
  knows(key: JobKey): boolean;
  continueInterrupted(delivery: Delivery, record: JobRecord): void;
}

/** Rejects only when the worker stops. */
export async function rescueLapsed(context: WorkerContext, desk: RescueDesk): Promise<void> {
  const { jobStore, lease } = context.ports;
  const keys = await persist(context, 'lapsed', () => lease.lapsed(atOnce));
  const unknown = keys.filter((key) => !desk.knows(key));
  await Promise.all(
    unknown.map(async (key) => {
      const record = await persist(context, 'get', () => jobStore.get(key));
      if (record === undefined || isTerminal(record.state)) return closeLease(context, key);
      if (desk.knows(key)) return;
      desk.continueInterrupted(standIn(record), record);
      // Nobody waits for it: should we die first, the lease lapses again.
      await persist(context, 'publish', () => context.ports.jobBus.publish(toJobMessage(record)));
    }),
  );
}
