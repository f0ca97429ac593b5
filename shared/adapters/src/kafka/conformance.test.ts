/** The bus and the fact log over a real Kafka keep every promise of the ports. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '@inkwell/ports';
import { factLogConformance, jobBusConformance } from '@inkwell/ports/conformance';
import { afterAll, beforeAll } from 'vitest';
import { startKafka } from '../../../../infra/services/kafka.ts';
import type { RunningService } from '../../../../infra/services/running-service.ts';
import { migrateTopics, openKafkaBus } from './index.ts';

let server: RunningService;

beforeAll(async () => {
  server = await startKafka();
});
afterAll(() => server.stop());

async function makeAdapter() {
  const names = { brokers: server.url.split(','), topicPrefix: `test-${randomUUID()}.` };
  await migrateTopics({ ...names, jobPartitions: 4, factPartitions: 3 });
  const bus = await openKafkaBus({ ...names, groupId: `test-${randomUUID()}`, clock: systemClock });
  return { ...bus, advance: (ms: number) => wait(ms) };
}

jobBusConformance(makeAdapter);
factLogConformance(makeAdapter);
