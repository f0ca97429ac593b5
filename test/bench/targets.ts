/** What is measured beside each other: floors and peers as processes, and our cluster. All of them over the same Kafka and Redis. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { startOwnKafka } from '../../infra/services/kafka.ts';
import { startOwnMongo } from '../../infra/services/mongo.ts';
import { startOwnRedis } from '../../infra/services/redis.ts';
import { type Child, startChild } from '../../infra/services/running-service.ts';
import { ClusterProcess } from '../support/cluster-process.ts';
import { testKey } from '../support/product-process.ts';

const run = promisify(execFile);
const floors = fileURLToPath(new URL('./floors/', import.meta.url));
const peerFolder = fileURLToPath(new URL('../../.services/peers/bullmq/', import.meta.url));
const bullmqVersion = '6.7.0';

/** Time between two tokens of a stream. */
export const paceMs = 20;

/** Load before anything is measured: until what is compiled while it runs (V8's and Java's alike) is as fast as it gets. */
export const warmSeconds = 30;

export interface Target {
  name: string;
  /** Any of them serves any request. */
  urls: readonly string[];
  headers: Readonly<Record<string, string>>;
  /** Of our own cluster, what runs. */
  processes?(): { role: string; pid: number }[];
  stop(): Promise<void>;
}

export interface Servers {
  kafka: string;
  redis: string;
  mongo: string;
  pids: Readonly<Record<string, number | undefined>>;
  stop(): Promise<void>;
}

export async function startServers(): Promise<Servers> {
  const [kafka, redis, mongo] = await Promise.all([startOwnKafka(), startOwnRedis(), startOwnMongo()]);
  const admin = new Kafka({ brokers: [kafka.url], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createTopics({
    topics: [{ topic: 'floor', numPartitions: 4, replicationFactor: 1 }],
    waitForLeaders: true,
  });
  await admin.disconnect();
  return {
    kafka: kafka.url,
    redis: redis.url,
    mongo: mongo.url,
    pids: { kafka: kafka.pid, redis: redis.pid, mongo: mongo.pid },
    stop: async () => void (await Promise.all([kafka.stop(), redis.stop(), mongo.stop()])),
  };
}

async function startFloor(file: string, env: Record<string, string>): Promise<{ child: Child; url: string }> {
  const child = await startChild({
    command: process.execPath,
    args: [join(floors, file)],
    directory: floors,
    env: { ...process.env, PACE_MS: `${paceMs}`, ...env },
    ready: /listening \S+\n/,
    readyTimeoutMs: 60_000,
  });
  return { child, url: `http://127.0.0.1:${child.announced.trim().split(' ')[1]}` };
}

const stopAll = async (children: readonly Child[]): Promise<void> => {
  await Promise.all(children.map((child) => child.end('SIGTERM')));
};

export async function expressFloor(): Promise<Target> {
  const { child, url } = await startFloor('express-floor.ts', {});
  return { name: 'express, answers at once', urls: [url], headers: {}, stop: () => stopAll([child]) };
}

export async function queueFloor({ kafka, redis }: Servers): Promise<Target> {
  const env = { KAFKA_BROKERS: kafka, REDIS_URL: redis };
  const worker = await startFloor('queue-floor.ts', { ...env, ROLE: 'worker' });
  const gateway = await startFloor('queue-floor.ts', { ...env, ROLE: 'gateway' });
  return {
    name: 'floor: Kafka → worker → Redis, no features',
    urls: [gateway.url],
    headers: {},
    stop: () => stopAll([gateway.child, worker.child]),
  };
}

/** Installed beside us the first time; it is no dependency of ours. */
export async function bullmqPeer({ redis }: Servers): Promise<Target> {
  await mkdir(peerFolder, { recursive: true });
  await writeFile(join(peerFolder, 'package.json'), '{"private":true}\n');
  await run('npm', ['install', '--no-audit', '--no-fund', '--save-exact', `bullmq@${bullmqVersion}`], {
    cwd: peerFolder,
    timeout: 300_000,
  });
  const env = { REDIS_URL: redis, BULLMQ: peerFolder };
  const worker = await startFloor('bullmq-floor.ts', { ...env, ROLE: 'worker' });
  const gateway = await startFloor('bullmq-floor.ts', { ...env, ROLE: 'gateway' });
  return {
    name: `BullMQ ${bullmqVersion}, no features`,
    urls: [gateway.url],
    headers: {},
    stop: () => stopAll([gateway.child, worker.child]),
  };
}

/** Every feature on, no model: its tokens cost nothing but their pace. */
export async function ourCluster({ kafka, redis, mongo }: Servers, namespace: string, pace: number): Promise<Target> {
  const cluster = await new ClusterProcess({
    env: {
      KAFKA_BROKERS: kafka,
      REDIS_URL: redis,
      MONGO_URL: mongo,
      INKWELL_NAMESPACE: namespace,
      INKWELL_BACKEND: 'null',
      INKWELL_NULL_PACE_MS: `${pace}`,
      INKWELL_MAX_QUEUED: '1000000',
      INKWELL_MAX_QUEUED_PER_TENANT: '1000000',
    },
  }).start();
  return {
    name: 'inkwell, 2 gateways and 2 workers, all features',
    urls: cluster.gateways,
    headers: { authorization: `Bearer ${testKey}` },
    processes: () => cluster.processes(),
    stop: () => cluster.dispose(),
  };
}
