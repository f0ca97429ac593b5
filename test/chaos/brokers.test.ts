/**
 * Three brokers that keep copies for each other. One at a time is killed with SIGKILL, once losing its disk for good, while jobs flow: nothing
 * acknowledged is lost. With two of three dead nothing is acknowledged that would have to wait, for it could be lost.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type KafkaCluster, startKafkaCluster } from '../../infra/services/kafka-cluster.ts';
import { ClusterProcess, ownServers } from '../support/cluster-process.ts';

let kafka: KafkaCluster;
let cluster: ClusterProcess;
beforeAll(async () => {
  kafka = await startKafkaCluster(3);
  cluster = new ClusterProcess({
    gateways: 1,
    workers: 1,
    env: {
      ...ownServers,
      KAFKA_BROKERS: kafka.url,
      INKWELL_BACKEND: 'null',
      INKWELL_LIMIT_KEY_PER_MINUTE: 'off',
    },
  });
  await cluster.start();
}, 300_000);
afterAll(async () => {
  await cluster?.dispose();
  await kafka?.stop();
}, 60_000);

const deadlineMs = 120_000;
const body = { model: 'inkwell-small', prompt: 'Once', max_tokens: 3, ignore_eos: true };

/** The answer, or undefined when there was none in time or the queue was away; anything else fails the test. */
async function submit(): Promise<string | undefined> {
  const response = await cluster.request('/v1/jobs', { body });
  const answer = (await response.json()) as { id: string };
  if (response.status === 202) return answer.id;
  expect(response.status, JSON.stringify(answer)).toBe(503);
  expect(response.headers.get('retry-after')).not.toBeNull();
  return undefined;
}

async function submitUntil(count: number): Promise<string[]> {
  const accepted: string[] = [];
  const until = performance.now() + deadlineMs;
  while (accepted.length < count) {
    expect(performance.now(), `${accepted.length} of ${count} accepted`).toBeLessThan(until);
    const id = await submit();
    if (id === undefined) await delay(100);
    else accepted.push(id);
  }
  return accepted;
}

async function expectCompleted(ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const job = async () => {
      const response = await cluster.request(`/v1/jobs/${id}?wait=5`);
      return ((await response.json()) as { status?: string }).status;
    };
    await expect.poll(job, { timeout: deadlineMs }).toBe('completed');
  }
}

/** Topics of this cluster with the numbers of copies, and of copies that are up to date, of each partition. */
async function copies(): Promise<{ name: string; kept: number[]; current: number[] }[]> {
  const admin = new Kafka({ brokers: kafka.url.split(','), logLevel: logLevel.NOTHING }).admin();
  try {
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata();
    return topics.map(({ name, partitions }) => ({
      name,
      kept: partitions.map(({ replicas }) => replicas.length),
      current: partitions.map(({ isr }) => isr.length),
    }));
  } finally {
    await admin.disconnect();
  }
}

const missing = async () => {
  const topics = await copies();
  return topics.flatMap(({ name, current }) => current.filter((count) => count < 3).map(() => name)).length;
};
const whole = () => expect.poll(missing, { timeout: deadlineMs, interval: 200 }).toBe(0);

it('keeps three copies of everything', async () => {
  const topics = await copies();
  expect(topics.length).toBeGreaterThan(7);
  for (const { name, kept } of topics) expect([name, new Set(kept)]).toEqual([name, new Set([3])]);
});

it.each([
  { id: 1, disk: 'kept' },
  { id: 2, disk: 'lost' },
  { id: 3, disk: 'kept' },
] as const)('loses nothing when broker $id dies, its disk $disk', { timeout: 6 * deadlineMs }, async ({ id, disk }) => {
  await whole();
  // These wait in the queue while the broker dies, so they are read from another's copy.
  cluster.say('scale', 'workers=0');
  const accepted = await submitUntil(20);
  await kafka.kill(id);
  const killedAt = performance.now();
  accepted.push(...(await submitUntil(1)));
  console.log(`broker ${id} killed; the next job was accepted after ${Math.round(performance.now() - killedAt)} ms`);
  accepted.push(...(await submitUntil(19)));
  cluster.say('scale', 'workers=1');
  await expectCompleted(accepted);
  const meanwhile = await submitUntil(5);
  await kafka.restart(id, disk);
  await expectCompleted([...meanwhile, ...(await submitUntil(10))]);
});

it('acknowledges nothing that a single broker would have to keep', { timeout: 6 * deadlineMs }, async () => {
  await whole();
  // Nobody has room, so what is accepted would have to wait.
  cluster.say('scale', 'workers=0');
  await Promise.all([kafka.kill(1), kafka.kill(2)]);
  const accepted: string[] = [];
  for (let asked = 0; asked < 10; asked++) {
    const id = await submit();
    if (id !== undefined) accepted.push(id);
  }
  expect(accepted).toEqual([]);
  await Promise.all([kafka.restart(1, 'kept'), kafka.restart(2, 'kept')]);
  await whole();
  cluster.say('scale', 'workers=1');
  await expectCompleted(await submitUntil(10));
});

it('runs what a worker has room for while the queue is away, and tells of it when it is back', {
  timeout: 6 * deadlineMs,
}, async () => {
  await whole();
  await Promise.all([kafka.kill(1), kafka.kill(2)]);
  const handed = await submitUntil(10);
  await expectCompleted(handed);
  await Promise.all([kafka.restart(1, 'kept'), kafka.restart(2, 'kept')]);
  const untold = async () => {
    const response = await cluster.request('/api/admin/audit?action=job.created&limit=100');
    const { data = [] } = (await response.json()) as { data?: { resource: string }[] };
    const told = new Set(data.map(({ resource }) => resource));
    return handed.filter((id) => !told.has(`job/${id}`));
  };
  await expect.poll(untold, { timeout: deadlineMs }).toEqual([]);
});
