/** Buses over topics nobody else uses, for tests; all of one installation, as the processes of a cluster are. */
import { randomUUID } from 'node:crypto';
import { systemClock } from '@inkwell/ports';
import { type KafkaBus, type KafkaBusOptions, migrateTopics, openKafkaBus } from '../index.ts';

export interface Installation {
  brokers: string[];
  topicPrefix: string;
  groupId: string;
  open(options?: Partial<KafkaBusOptions>): Promise<KafkaBus>;
  close(): Promise<void>;
}

export async function freshInstallation(url: string, jobPartitions = 4): Promise<Installation> {
  const names = { brokers: url.split(','), topicPrefix: `test-${randomUUID()}.`, groupId: `test-${randomUUID()}` };
  await migrateTopics({ ...names, jobPartitions, factPartitions: 2 });
  const buses: KafkaBus[] = [];
  return {
    ...names,
    async open(options = {}) {
      const bus = await openKafkaBus({ ...names, clock: systemClock, ...options });
      buses.push(bus);
      return bus;
    },
    async close() {
      await Promise.all(buses.map((bus) => bus.close()));
    },
  };
}
