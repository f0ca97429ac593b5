/** The bus and the fact log over a real Kafka keep every promise of the ports. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '@inkwell/ports';
import { factLogConformance, jobBusConformance } from '@inkwell/ports/conformance';
import { startKafka } from '../../../../infra/services/kafka.ts';
import { migrateTopics, openKafkaBus } from './index.ts';

async function makeAdapter() {
  const server = await startKafka();
  const names = { brokers: server.url.split(','), topicPrefix: `test-${randomUUID()}.` };
  await migrateTopics({ ...names, jobPartitions: 4, factPartitions: 3 });
  const bus = await openKafkaBus({ ...names, groupId: `test-${randomUUID()}`, clock: systemClock });
  return {
    ...bus,
    advance: (ms: number) => wait(ms),
    close: async () => {
      await bus.close();
      await server.stop();
    },
  };
}

jobBusConformance(makeAdapter);
factLogConformance(makeAdapter);
