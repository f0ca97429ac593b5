/** How the worker comes by records: of a delivered job, and of jobs that were accepted but whose message never was published. */
import { type JobKey, type JobRecord, toJobMessage } from '@inkwell/contracts';
import type { Delivery } from '@inkwell/ports';
import type { WorkerContext } from './context.ts';
import { persist } from './persist.ts';

const sweepLimit = 10_000;
/** Within this time an accepting process publishes its job, and a store shows a record to everybody. */
export const settlingMs = 10_000;
const retryMs = 500;

/** The record of a delivered job. Undefined, and the delivery is settled, when there is none. */
export async function fetchRecord(context: WorkerContext, delivery: Delivery): Promise<JobRecord | undefined> {
  const record = await persist(context, 'get', () => context.ports.jobStore.get(delivery.message.key));
  if (record === undefined) await settleUnknown(context, delivery);
  return record;
}

/** A job without a record has been removed, or its record cannot be seen yet. */
export async function settleUnknown(context: WorkerContext, delivery: Delivery): Promise<void> {
  const removed = context.clock.now() - delivery.message.createdAt > settlingMs;
  if (removed) await persist(context, 'ack', () => delivery.ack());
  else await persist(context, 'retry', () => delivery.retry('its record is not visible yet', retryMs));
}

/** Publishes jobs that were accepted by a process that died before it could. Publishing one that waits changes nothing. */
export async function publishOrphans(
  context: WorkerContext,
  createdBefore: number,
  isKnown: (key: JobKey) => boolean,
): Promise<void> {
  const { jobBus, jobStore } = context.ports;
  const records = await persist(context, 'list unpublished', () => jobStore.listUnpublished(createdBefore, sweepLimit));
  const unknown = records.filter((record) => !isKnown(record.key));
  await Promise.all(
    unknown.map(async (one) => {
      await persist(context, 'publish', () => jobBus.publish(toJobMessage(one)));
      await persist(context, 'mark published', () => jobStore.markPublished([one.key]));
    }),
  );
}
