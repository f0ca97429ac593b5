/**
 * What survives when brokers and workers die: everything whose publish resolved is delivered, everything comes back by itself, nothing settled
 * is repeated while nobody is killed. The seed is printed; it fixes the choices, not the scheduling.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { InkwellError, type JobKey } from '@inkwell/contracts';
import type { Delivery } from '@inkwell/ports';
import { fact, Inbox, message, newTenant } from '@inkwell/ports/conformance';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startKafka, startOwnKafka } from '../../../../infra/services/kafka.ts';
import { freePort, type RunningService } from '../../../../infra/services/running-service.ts';
import { SeededRandom } from '../embedded/testing/seeded-random.ts';
import { createClient } from './client.ts';
import type { KafkaBus } from './index.ts';
import { committedOffsets, Link } from './link.ts';
import { freshInstallation } from './testing/fresh-bus.ts';
import { laneTopics, topicNames } from './topics.ts';

const seed = Number(process.env.INKWELL_TEST_SEED ?? Math.floor(Math.random() * 2 ** 32));
const random = new SeededRandom(seed);
const cleanups: (() => unknown)[] = [];

let shared: RunningService;

beforeAll(async () => {
  console.log(`kafka, deaths: INKWELL_TEST_SEED=${seed}`);
  shared = await startKafka();
});
afterAll(() => shared.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

it('loses nothing whose publish resolved when the broker is killed with -9, and all parts come back by themselves', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-kafka-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const port = await freePort();
  let server = await startOwnKafka({ directory, port });
  cleanups.push(() => server.stop());
  const installation = await freshInstallation(server.url);
  cleanups.push(() => installation.close());
  const bus = await installation.open({ deadlineMs: 1500 });
  const [one, other] = [await Inbox.open(bus.jobBus, 'one'), await Inbox.open(bus.jobBus, 'other')];
  const facts: string[] = [];
  await bus.factLog.consume({
    group: 'g',
    signal: new AbortController().signal,
    onFacts: async (told) => void facts.push(...told.map(({ id }) => id)),
  });

  const promised = { jobs: new Set<JobKey>(), facts: new Set<string>() };
  let refused = 0;
  let publishing = true;
  const publishers = Array.from({ length: 8 }, async () => {
    while (publishing) {
      const [job, told] = [message(newTenant()), fact(`subject-${random.between(1, 9)}`)];
      const askedAt = performance.now();
      await Promise.all([
        bus.jobBus.publish(job).then(() => promised.jobs.add(job.key)),
        bus.factLog.publish(told).then(() => promised.facts.add(told.id)),
      ]).catch((error) => {
        if (!(error instanceof InkwellError) || error.code !== 'dependency_unavailable') throw error;
        refused++;
      });
      // The deadline, and room for a busy machine.
      expect(performance.now() - askedAt).toBeLessThan(4000);
    }
  });
  for (let death = 0; death < 2; death++) {
    const until = promised.jobs.size + random.between(50, 400);
    await expect.poll(() => promised.jobs.size, { timeout: 30_000 }).toBeGreaterThan(until);
    // Some are settled, some are held when the broker dies.
    for (const delivery of [...one.deliveries, ...other.deliveries]) if (random.next() < 0.7) void delivery.ack();
    await server.kill();
    server = await startOwnKafka({ directory, port });
  }
  const before = promised.jobs.size;
  await expect.poll(() => promised.jobs.size, { timeout: 30_000 }).toBeGreaterThan(before + 50);
  publishing = false;
  await Promise.all(publishers);
  const delivered = () => new Set([...one.deliveries, ...other.deliveries].map((each) => each.message.key));
  await expect.poll(() => promised.jobs.difference(delivered()).size, { timeout: 30_000 }).toBe(0);
  await expect.poll(() => promised.facts.difference(new Set(facts)).size, { timeout: 30_000 }).toBe(0);
  expect(refused).toBeGreaterThan(0);

  await bus.jobBus.announceCancel(message(newTenant(), 'x').key);
  await Promise.all([one, other].map((inbox) => inbox.until(() => inbox.cancels.length > 0)));
  for (const inbox of [one, other]) for (const delivery of inbox.deliveries) await delivery.ack();
  await expect.poll(() => behind(bus), { timeout: 10_000 }).toBe(0);
}, 180_000);

it('gives what a worker held that was killed with -9 to another, and counts the attempt', async () => {
  const { bus, installation } = await clusterOfOne();
  const published = Array.from({ length: 20 }, () => message(newTenant()));
  await Promise.all(published.map((each) => bus.jobBus.publish(each)));
  const script = fileURLToPath(new URL('./testing/hold-everything.ts', import.meta.url));
  const { brokers, topicPrefix, groupId } = installation;
  const child = spawn(process.execPath, [script, brokers.join(','), topicPrefix, groupId], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanups.push(() => child.kill('SIGKILL'));
  const held = new Set<string>();
  for await (const line of createInterface({ input: child.stdout })) {
    held.add(line);
    if (held.size === published.length) break;
  }
  await untilHandoutsAreCommitted(installation, published.length);
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
  const killedAt = performance.now();
  const living = await Inbox.open(bus.jobBus, 'living');
  await living.until(() => living.deliveries.length === published.length);
  expect(performance.now() - killedAt).toBeLessThan(5000);
  for (const delivery of living.deliveries) {
    expect(delivery.attempt).toBeGreaterThanOrEqual(2);
    await delivery.ack();
  }
});

it('delivers each job until it is settled and never again, while workers come, go and ask for retries', async () => {
  const { bus, installation } = await clusterOfOne();
  const settled = new Map<JobKey, string>();
  const violations: string[] = [];
  let working = true;

  async function workForAWhile(name: string): Promise<void> {
    const own = await installation.open();
    const controller = new AbortController();
    const taken = new Set<Delivery>();
    const errands: Promise<void>[] = [];
    const settle = async (delivery: Delivery) => {
      const { key } = delivery.message;
      await wait(random.between(0, 60));
      if (random.next() < 0.2) return delivery.retry('again', random.between(0, 50));
      if (random.next() < 0.2) return;
      await delivery.ack();
      // Whoever was told meanwhile that it is somebody else's has settled nothing.
      if (!taken.has(delivery) && !controller.signal.aborted) settled.set(key, `${name}, attempt ${delivery.attempt}`);
    };
    await own.jobBus.consume({
      workerId: name,
      signal: controller.signal,
      onCancel: () => {},
      onTakenBack: (delivery) => void taken.add(delivery),
      onDelivery: (delivery) => {
        const earlier = settled.get(delivery.message.key);
        if (earlier !== undefined) {
          violations.push(
            `${delivery.message.key}: settled by ${earlier}, again to ${name}, attempt ${delivery.attempt}`,
          );
        }
        errands.push(settle(delivery));
      },
    });
    await wait(random.between(100, 700));
    controller.abort();
    await own.close();
    await Promise.all(errands);
  }

  const shifts = Array.from({ length: 3 }, async (_, shift) => {
    for (let round = 0; working; round++) await workForAWhile(`w${shift}.${round}`);
  });
  const promised: JobKey[] = [];
  for (let burst = 0; burst < 25; burst++) {
    const messages = Array.from({ length: 20 }, () => message(newTenant()));
    await Promise.all(messages.map((each) => bus.jobBus.publish(each)));
    promised.push(...messages.map(({ key }) => key));
    await wait(random.between(20, 150));
  }
  await expect.poll(() => settled.size, { timeout: 60_000 }).toBeGreaterThan(100);
  working = false;
  await Promise.all(shifts);
  // The last one settles what is left.
  const last = await Inbox.open(bus.jobBus, 'last');
  const missing = () => promised.filter((key) => !settled.has(key) && last.of(key).length === 0);
  await expect.poll(missing, { timeout: 20_000 }).toEqual([]);
  for (const {
    message: { key },
    attempt,
  } of last.deliveries) {
    if (settled.has(key))
      violations.push(`${key}: settled by ${settled.get(key)}, again to the last, attempt ${attempt}`);
  }
  expect(violations).toEqual([]);
}, 120_000);

async function clusterOfOne() {
  const installation = await freshInstallation(shared.url);
  cleanups.push(() => installation.close());
  return { installation, bus: await installation.open() };
}

async function behind(bus: KafkaBus): Promise<number> {
  return (await bus.lag()).reduce((sum, { messages }) => sum + messages, 0);
}

/** A worker writes down what it handed out within a tenth of a second; what it didn't yet, nobody can know. */
async function untilHandoutsAreCommitted(
  { brokers, topicPrefix, groupId }: { brokers: string[]; topicPrefix: string; groupId: string },
  count: number,
): Promise<void> {
  const topics = laneTopics(topicNames(topicPrefix));
  const link = new Link(createClient({ brokers }), topics);
  cleanups.push(() => link.close());
  const places = topics.flatMap((topic) => [0, 1, 2, 3].map((partition) => ({ topic, partition })));
  const handedOut = async () => {
    const records = [...(await committedOffsets(link, groupId, places)).values()].map(({ metadata }) => metadata);
    const runs = records.flatMap((record) => [...(record.split(' ')[2] ?? '').matchAll(/a(\d*)/g)]);
    return runs.reduce((sum, [, times]) => sum + (times === '' ? 1 : Number(times)), 0);
  };
  // More where a group that lost its member for a moment, on a slow machine, handed some out again.
  await expect.poll(handedOut, { timeout: 10_000 }).toBeGreaterThanOrEqual(count);
}
