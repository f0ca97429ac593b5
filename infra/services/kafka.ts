/**
 * A real Kafka for tests and for a cluster without Docker: the one at `KAFKA_BROKERS`, or a single node of our own, started with Java and
 * fetched by Maven. One node keeps one copy: what it acknowledged survives its death by kill -9, not the loss of its disk.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KafkaGuard, kafkaLibraries, newClusterId, startKafkaNode } from './kafka-node.ts';
import { freePort, type RunningService } from './running-service.ts';

export interface OwnKafkaOptions {
  /** Default: a new one under the system's temporary directory, removed by `stop`. */
  directory?: string;
  /** Default: any free one. Give the same again, with the directory, to come back after `kill`. */
  port?: number;
  ownGroup?: boolean;
  /** Where clients are told to connect, when something stands between (default: the port). `url` says the same. */
  advertisedPort?: number;
  /** Clients are only let in over TLS and by password. */
  guard?: KafkaGuard;
}

/** `url` is a list of brokers, `host:port,…`. Share it: use topic and group names nobody else uses. */
export async function startKafka(): Promise<RunningService> {
  const url = process.env.KAFKA_BROKERS;
  if (url === undefined || url === '') return startOwnKafka();
  return { url, stop: async () => {}, kill: () => Promise.reject(new Error('The brokers are not ours.')) };
}

/** One that belongs to the caller alone, whatever `KAFKA_BROKERS` says: for tests that kill it. */
export async function startOwnKafka(options: OwnKafkaOptions = {}): Promise<RunningService> {
  const libraries = await kafkaLibraries('Or set KAFKA_BROKERS to a Kafka that tests may use.');
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'inkwell-kafka-')));
  const removeDirectory = async () => {
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
  };
  const [port, brokerPort, controllerPort] = [options.port ?? (await freePort()), await freePort(), await freePort()];
  const node = {
    ...options,
    directory,
    id: 1,
    port,
    brokerPort,
    controllerPorts: [controllerPort],
    clusterId: newClusterId(),
  };
  try {
    const child = await startKafkaNode(node, libraries);
    return {
      url: `127.0.0.1:${options.advertisedPort ?? port}`,
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
