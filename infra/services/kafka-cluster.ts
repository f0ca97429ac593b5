/** Several Kafka brokers that belong to the caller alone and keep copies of each other's messages: for tests that kill them. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KafkaNode, kafkaLibraries, newClusterId, startKafkaNode } from './kafka-node.ts';
import { type Child, freePort } from './running-service.ts';

export interface KafkaCluster {
  /** All brokers, `host:port,…`. */
  url: string;
  /** Ends the broker with this number, from 1, as a power cut does. */
  kill(id: number): Promise<void>;
  /** Starts it again: with the disk it had, or with an empty one. */
  restart(id: number, disk: 'kept' | 'lost'): Promise<void>;
  stop(): Promise<void>;
}

export async function startKafkaCluster(size: number): Promise<KafkaCluster> {
  const libraries = await kafkaLibraries('Several brokers cannot be joined, only started.');
  const directory = await mkdtemp(join(tmpdir(), 'inkwell-kafka-'));
  const ports = await Promise.all(Array.from({ length: 3 * size }, () => freePort()));
  const controllerPorts = ports.slice(2 * size);
  const clusterId = newClusterId();
  const nodes = Array.from({ length: size }, (_, index): KafkaNode => {
    const [port = 0, brokerPort = 0] = [ports[index], ports[size + index]];
    return { directory: join(directory, `${index + 1}`), id: index + 1, port, brokerPort, controllerPorts, clusterId };
  });
  const children = new Map<number, Child>();
  const start = async (node: KafkaNode) => {
    await mkdir(node.directory, { recursive: true });
    children.set(node.id, await startKafkaNode(node, libraries));
  };
  const stop = async () => {
    await Promise.all([...children.values()].map((child) => child.end('SIGKILL')));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all(nodes.map(start));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url: nodes.map(({ port }) => `127.0.0.1:${port}`).join(','),
    async kill(id) {
      await children.get(id)?.end('SIGKILL');
    },
    async restart(id, disk) {
      const node = nodes.find((one) => one.id === id);
      if (node === undefined) throw new Error(`There is no broker ${id}.`);
      if (disk === 'lost') await rm(node.directory, { recursive: true });
      await start(node);
    },
    stop,
  };
}
