/**
 * A real Kafka for tests and for a cluster without Docker: the one at `KAFKA_BROKERS`, or a single node of our own, started with Java and
 * fetched by Maven. One node keeps one copy: what it acknowledged survives its death by kill -9, not the loss of its disk.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { mavenLibraries } from './maven-libraries.ts';
import { freePort, type RunningService, startChild } from './running-service.ts';

const run = promisify(execFile);
const home = fileURLToPath(new URL('./kafka-server/', import.meta.url));

export interface OwnKafkaOptions {
  /** Default: a new one under the system's temporary directory, removed by `stop`. */
  directory?: string;
  /** Default: any free one. Give the same again, with the directory, to come back after `kill`. */
  port?: number;
  ownGroup?: boolean;
  /** Where clients are told to connect, when something stands between (default: the port). `url` says the same. */
  advertisedPort?: number;
}

/** `url` is a list of brokers, `host:port,…`. Share it: use topic and group names nobody else uses. */
export async function startKafka(): Promise<RunningService> {
  const url = process.env.KAFKA_BROKERS;
  if (url === undefined || url === '') return startOwnKafka();
  return { url, stop: async () => {}, kill: () => Promise.reject(new Error('The brokers are not ours.')) };
}

/** One that belongs to the caller alone, whatever `KAFKA_BROKERS` says: for tests that kill it. */
export async function startOwnKafka(options: OwnKafkaOptions = {}): Promise<RunningService> {
  const libraries = await mavenLibraries(join(home, 'pom.xml'), 'Or set KAFKA_BROKERS to a Kafka that tests may use.');
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'inkwell-kafka-')));
  const removeDirectory = async () => {
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
  };
  const [port, controllerPort] = [options.port ?? (await freePort()), await freePort()];
  const advertisedPort = options.advertisedPort ?? port;
  const properties = join(directory, 'server.properties');
  const logging = `-Dlog4j2.configurationFile=${join(home, 'log4j2.properties')}`;
  const java = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', logging, '-cp', join(libraries, '*')];
  try {
    await writeFile(properties, render(serverProperties(directory, { port, advertisedPort, controllerPort })));
    if (!existsSync(join(directory, 'logs', 'meta.properties'))) {
      const clusterId = newClusterId();
      const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties];
      await run('java', ['-Xmx128m', ...java, ...format], { timeout: 60_000 });
    }
    const child = await startChild({
      command: 'java',
      args: ['-Xmx256m', ...java, 'kafka.Kafka', properties],
      directory,
      ready: /Kafka Server started/,
      ownGroup: options.ownGroup,
      readyTimeoutMs: 90_000,
    });
    return {
      url: `127.0.0.1:${advertisedPort}`,
      pid: child.pid,
      ended: child.ended,
      async stop() {
        await child.end('SIGTERM');
        await removeDirectory();
      },
      kill: () => child.end('SIGKILL'),
    };
  } catch (error) {
    await removeDirectory();
    throw error;
  }
}

/** 16 random bytes in base64url. One that begins with a dash would be read as an option. */
function newClusterId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}

/** Small, quick to start, and quick to notice that a killed predecessor is gone. */
function serverProperties(
  directory: string,
  { port, advertisedPort, controllerPort }: Record<'port' | 'advertisedPort' | 'controllerPort', number>,
): Record<string, string | number> {
  const oneCopy = Object.fromEntries(
    [
      'default.replication.factor',
      'offsets.topic.replication.factor',
      'transaction.state.log.replication.factor',
      'transaction.state.log.min.isr',
      'share.coordinator.state.topic.replication.factor',
      'share.coordinator.state.topic.min.isr',
    ].map((name) => [name, 1]),
  );
  return {
    ...oneCopy,
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${advertisedPort}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(directory, 'logs'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.num.partitions': 4,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 500,
    'group.coordinator.append.linger.ms': 0,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'num.replica.fetchers': 1,
    'log.cleaner.dedupe.buffer.size': 2_097_152,
    'log.segment.bytes': 67_108_864,
    'broker.session.timeout.ms': 2000,
    'broker.heartbeat.interval.ms': 300,
    'controller.quorum.election.timeout.ms': 300,
    'controller.quorum.fetch.timeout.ms': 1000,
  };
}

function render(properties: Record<string, string | number>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
