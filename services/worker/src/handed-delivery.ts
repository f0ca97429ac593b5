/**
 * The delivery of a job that was handed to this worker and that the bus has never had. Done with, it leaves nothing behind; whatever else is to become of it,
 * the bus sees to: it is published, and whoever gets it finds in its record and story what is to be done.
 */
import { type JobRecord, toJobMessage } from '@inkwell/contracts';
import type { Delivery } from '@inkwell/ports';
import type { WorkerContext } from './context.ts';

export function handedDelivery({ ports }: WorkerContext, record: JobRecord): Delivery {
  const message = toJobMessage(record);
  const publish = () => ports.jobBus.publish(message);
  return { message, attempt: 1, ack: async () => {}, retry: publish, deadLetter: publish };
}
