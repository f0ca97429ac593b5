/** What the bus over Kafka promises beyond the port: grouped writing, patience with long jobs, bytes nobody can read, and lag. */
import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Fact } from '@inkwell/contracts';
import { fact, Inbox, message, newTenant } from '@inkwell/ports/conformance';
import { CompressionTypes, type Producer } from 'kafkajs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startKafka } from '../../../../infra/services/kafka.ts';
import type { RunningService } from '../../../../infra/services/running-service.ts';
import { createClient } from './client.ts';
import { migrateTopics, openKafkaBus } from './index.ts';
import { freshInstallation, type Installation } from './testing/fresh-bus.ts';
import { partitionOf, topicNames } from './topics.ts';

let server: RunningService;
const cleanups: (() => unknown)[] = [];

beforeAll(async () => {
  server = await startKafka();
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function install(): Promise<Installation> {
  const installation = await freshInstallation(server.url);
  cleanups.push(() => installation.close());
  return installation;
}

async function strangeProducer(): Promise<Producer> {
  const producer = createClient({ brokers: server.url.split(',') }).producer();
  await producer.connect();
  cleanups.push(() => producer.disconnect());
  return producer;
}

it('writes 10,000 messages published at once in a few requests', async () => {
  const bus = await (await install()).open();
  const tenant = newTenant();
  await Promise.all(Array.from({ length: 10_000 }, () => bus.jobBus.publish(message(tenant))));
  expect(bus.produceRequests()).toBeLessThanOrEqual(20);
  expect((await bus.lag()).reduce((sum, { messages }) => sum + messages, 0)).toBe(10_000);
});

it('lets a fact that may wait go with what is written before that, by itself when its time has come, and at the latest on closing', async () => {
  const bus = await (await install()).open();
  await bus.jobBus.publish(message(newTenant()));
  const before = bus.produceRequests();
  const waiting = [60_000, 50_000].map((mayWaitMs) => bus.factLog.publish(fact('s'), { mayWaitMs }));
  await bus.jobBus.publish(message(newTenant()));
  await Promise.all(waiting);
  expect(bus.produceRequests()).toBe(before + 1);
  await bus.factLog.publish(fact('s'), { mayWaitMs: 20 });
  expect(bus.produceRequests()).toBe(before + 2);
  const last = bus.factLog.publish(fact('s'), { mayWaitMs: 60_000 });
  await bus.close();
  await last;
});

it('holds a job for five sessions without a rebalance, and the jobs behind it flow', async () => {
  const sessionTimeoutMs = 600;
  const installation = await install();
  const bus = await installation.open({ sessionTimeoutMs, heartbeatMs: 100 });
  const inbox = await Inbox.open(bus.jobBus, 'w');
  const before = bus.rebalances();
  const long = message(newTenant());
  await bus.jobBus.publish(long);
  const held = await inbox.delivery(long.key);
  const until = performance.now() + 5 * sessionTimeoutMs;
  let behind = 0;
  while (performance.now() < until || behind <= 50) {
    const short = message(newTenant());
    await bus.jobBus.publish(short);
    await (await inbox.delivery(short.key)).ack();
    behind++;
  }
  expect(bus.rebalances()).toBe(before);
  expect(inbox.takenBack).toEqual([]);
  expect(inbox.of(long.key)).toEqual([held]);
  await held.ack();
  // What ended behind the long job was not forgotten either.
  inbox.die();
  const next = await Inbox.open(bus.jobBus, 'next');
  const marker = message(newTenant());
  await bus.jobBus.publish(marker);
  await next.delivery(marker.key);
  expect(next.deliveries.map(({ message: { key } }) => key)).toEqual([marker.key]);
});

it('gives a newcomer a share of the backlog within two seconds and takes it back from the others', async () => {
  const installation = await install();
  const [bus, other] = [await installation.open(), await installation.open()];
  const first = await Inbox.open(bus.jobBus, 'first');
  const backlog = Array.from({ length: 40 }, () => message(newTenant()));
  await Promise.all(backlog.map((published) => bus.jobBus.publish(published)));
  await first.until(() => first.deliveries.length === backlog.length);
  const askedAt = performance.now();
  const second = await Inbox.open(other.jobBus, 'second');
  await second.until(() => second.deliveries.length > 0);
  expect(performance.now() - askedAt).toBeLessThan(2000);
  await first.until(() => first.takenBack.length > 0);
  await second.until(() => second.deliveries.length === first.takenBack.length);
  const keys = (deliveries: readonly { message: { key: string } }[]) =>
    deliveries.map((each) => each.message.key).toSorted();
  expect(keys(second.deliveries)).toEqual(keys(first.takenBack));
  for (const delivery of second.deliveries) expect(delivery.attempt).toBe(2);
  // The first goes on holding the rest: settled there, they are done.
  for (const delivery of first.deliveries) await delivery.ack();
  for (const delivery of second.deliveries) await delivery.ack();
  await expect.poll(async () => (await bus.lag()).map(({ messages }) => messages)).toEqual([0, 0, 0, 0]);
});

it('puts bytes nobody can read aside once, whole and with the reason, and goes on', async () => {
  const installation = await install();
  const bus = await installation.open();
  const names = topicNames(installation.topicPrefix);
  const inbox = await Inbox.open(bus.jobBus, 'w');
  const strange = await strangeProducer();
  const good = message(newTenant());
  const values = [
    Buffer.from('{'),
    Buffer.from([0xff, 0xfe, 0x00]),
    randomBytes(900_000),
    Buffer.from(JSON.stringify({ ...good, version: 2 })),
    Buffer.from(JSON.stringify({ ...good, extra: true })),
    Buffer.from('{"__proto__":{"version":1}}'),
    Buffer.from('['.repeat(100_000)),
    null,
  ];
  for (const value of values) {
    await strange.send({ topic: names.jobs.standard, messages: [{ key: 'k', value, partition: 1 }] });
  }
  await strange.send({ topic: names.retries, messages: [{ key: null, value: 'no retry', partition: 0 }] });
  await strange.send({ topic: names.cancels, messages: [{ value: 'no cancel', partition: 0 }] });
  await strange.send({ topic: names.deadLetters, messages: [{ value: 'no letter', partition: 0 }] });
  const packed = {
    topic: names.jobs.batch,
    compression: CompressionTypes.GZIP,
    messages: [{ value: 'packed', partition: 2 }],
  };
  await strange.send(packed);
  await bus.jobBus.publish(good);
  await (await inbox.delivery(good.key)).ack();
  await expect.poll(async () => (await bus.unreadable(100)).length, { timeout: 10_000 }).toBe(values.length + 2);
  const aside = await bus.unreadable(100);
  const fromJobs = aside.filter(({ topic, partition }) => topic === names.jobs.standard && partition === 1);
  expect(fromJobs.toSorted((a, b) => a.offset - b.offset).map(({ value }) => value)).toEqual(values);
  expect(fromJobs.map(({ key }) => String(key))).toEqual(values.map(() => 'k'));
  for (const { reason } of aside) expect(reason.length).toBeGreaterThan(5);
  expect(fromJobs.find(({ offset }) => offset === 3)?.reason).toMatch(/version/);
  expect(await bus.jobBus.deadLetters(10)).toEqual([]);
  // Done with: neither the next consumer nor the lag knows them.
  inbox.die();
  const next = await Inbox.open(bus.jobBus, 'next');
  await bus.jobBus.publish({ ...good, priority: 'standard' });
  await (await next.delivery(good.key)).ack();
  await expect.poll(async () => (await bus.lag()).map(({ messages }) => messages)).toEqual([0, 0, 0, 0]);
  expect(await bus.unreadable(100)).toHaveLength(values.length + 2);
  expect(next.deliveries).toHaveLength(1);
});

it('puts unreadable facts aside and keeps the order of the others', async () => {
  const installation = await install();
  const bus = await installation.open();
  const strange = await strangeProducer();
  const [before, after] = [fact('subject', { at: 1 }), fact('subject', { at: 2 })];
  await bus.factLog.publish(before);
  for (const partition of [0, 1]) {
    await strange.send({
      topic: topicNames(installation.topicPrefix).facts,
      messages: [{ value: '{"version":9}', partition }],
    });
  }
  await bus.factLog.publish(after);
  const told: string[] = [];
  const controller = new AbortController();
  await bus.factLog.consume({
    group: 'g',
    signal: controller.signal,
    onFacts: async (facts) => void told.push(...facts.map(({ id }) => id)),
  });
  await expect.poll(() => told).toEqual([before.id, after.id]);
  expect((await bus.unreadable(10)).map(({ reason }) => reason)).toEqual([
    expect.stringContaining('version'),
    expect.stringContaining('version'),
  ]);
  await expect.poll(async () => (await bus.lag(['g'])).at(-1)?.messages).toBe(0);
  controller.abort();
});

it('writes facts that come together as lists, tells them one by one, and puts aside only what of a list is unreadable', async () => {
  const installation = await install();
  const bus = await installation.open();
  const facts = Array.from({ length: 1500 }, (_, at) =>
    fact(`subject ${at % 7}`, { at, body: { text: 'ü'.repeat(300) } }),
  );
  await Promise.all(facts.map((published) => bus.factLog.publish(published)));
  const [written] = (await bus.lag(['g'])).filter(({ topic }) => topic.endsWith('facts'));
  expect(written!.messages).toBeLessThan(30);
  const strange = await strangeProducer();
  const last = fact('subject 0', { at: 1500 });
  const list = JSON.stringify([{ version: 9 }, last, 'no fact']);
  const { facts: topic } = topicNames(installation.topicPrefix);
  await strange.send({ topic, messages: [{ value: list, partition: partitionOf('subject 0', 2) }] });
  const told: Fact[] = [];
  const controller = new AbortController();
  await bus.factLog.consume({
    group: 'g',
    signal: controller.signal,
    onFacts: async (some) => void told.push(...some),
  });
  await expect.poll(() => told.length, { timeout: 20_000 }).toBe(facts.length + 1);
  for (let subject = 0; subject < 7; subject++) {
    const of = ({ subject: one }: Fact) => one === `subject ${subject}`;
    expect(told.filter(of)).toEqual([...facts, last].filter(of));
  }
  const aside = await bus.unreadable(10);
  expect(aside.map(({ value }) => String(value))).toEqual(['"no fact"', '{"version":9}']);
  await expect.poll(async () => (await bus.lag(['g'])).at(-1)?.messages).toBe(0);
  controller.abort();
});

it('pauses reading when a worker holds much, and goes on when it has settled', async () => {
  const installation = await freshInstallation(server.url, 1);
  cleanups.push(() => installation.close());
  const bus = await installation.open({ readAhead: 10 });
  const inbox = await Inbox.open(bus.jobBus, 'w');
  const messages = Array.from({ length: 3000 }, () => message(newTenant()));
  for (let from = 0; from < messages.length; from += 500) {
    await Promise.all(messages.slice(from, from + 500).map((published) => bus.jobBus.publish(published)));
  }
  await inbox.until(() => inbox.deliveries.length > 10);
  const held = inbox.deliveries.length;
  // Longer than any fetch under way takes.
  await wait(500);
  expect(inbox.deliveries.length).toBeLessThan(messages.length);
  let acked = 0;
  while (acked < messages.length) {
    for (const delivery of inbox.deliveries.slice(acked)) {
      await delivery.ack();
      acked++;
    }
    if (acked < messages.length) await inbox.until(() => inbox.deliveries.length > acked);
  }
  expect(held).toBeGreaterThan(10);
  expect(new Set(inbox.deliveries.map(({ message: { key } }) => key)).size).toBe(messages.length);
});

it('refuses a message that is not valid before it is written', async () => {
  const bus = await (await install()).open();
  await expect(bus.jobBus.publish({ ...message(newTenant()), costTokens: 0 })).rejects.toThrow(/costTokens/);
  await expect(bus.factLog.publish({ ...fact('s'), kind: 'NOT A KIND' })).rejects.toThrow(/kind/);
  expect(bus.produceRequests()).toBe(0);
});

it('refuses everything once it is closed, and says why', async () => {
  const bus = await (await install()).open();
  await bus.close();
  const rejected = { code: 'shutting_down' };
  await expect(bus.jobBus.publish(message(newTenant()))).rejects.toMatchObject(rejected);
  await expect(bus.jobBus.deadLetters(1)).rejects.toMatchObject(rejected);
  await expect(bus.factLog.publish(fact('s'))).rejects.toMatchObject(rejected);
  await expect(Inbox.open(bus.jobBus, 'w')).rejects.toMatchObject(rejected);
});

it('creates topics once, and refuses to go on where there are fewer partitions than stated', async () => {
  const { brokers, topicPrefix } = await install();
  await migrateTopics({ brokers, topicPrefix, jobPartitions: 4, factPartitions: 2 });
  await migrateTopics({ brokers, topicPrefix, jobPartitions: 3, factPartitions: 1 });
  const more = migrateTopics({ brokers, topicPrefix, jobPartitions: 5, factPartitions: 2 });
  await expect(more).rejects.toThrow(/jobs\.retries has 4 partitions, 5 are wanted/);
});

it('tells the operator what is wrong with Kafka or its topics', async () => {
  const options = { topicPrefix: 'nobody.', groupId: 'g', clock: { now: () => 0 } };
  await expect(openKafkaBus({ ...options, brokers: server.url.split(',') })).rejects.toThrow(
    /lacks the topics nobody\.jobs\.retries.*migration/,
  );
  const gone = openKafkaBus({ ...options, brokers: ['127.0.0.1:1'] });
  await expect(gone).rejects.toThrow(/Kafka at 127\.0\.0\.1:1 cannot be used: .*KAFKA_BROKERS/);
});
